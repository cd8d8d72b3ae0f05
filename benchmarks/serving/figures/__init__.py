"""One figure of the comparison a file: `measure(run)` prints it and keeps it in the results."""
