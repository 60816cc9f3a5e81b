"""Finished results of other toolkits as studies: hypothesis files are read, checked, scored and written as a study folder."""
