"""The hashes of all our sources, computed once for the processes that are forked from the one that imports this module.

Two of the steps of a study need them. They then also belong to the code that this process has imported, even if a file is edited
while the study runs.
"""

from common.source_code import sources_fingerprint

sources_fingerprint()
