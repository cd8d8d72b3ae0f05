"""The stage runner of a Pipeline's run: from raw data to a candidate version, in one process."""
