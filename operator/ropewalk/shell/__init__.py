"""All I/O of the operator: it hears, reads, asks the core, executes, and writes one status."""
