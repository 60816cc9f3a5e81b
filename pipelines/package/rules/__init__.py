"""Rules of the lint. Each finds one kind of fault in a graph of tasks, and yields a sentence per fault."""
