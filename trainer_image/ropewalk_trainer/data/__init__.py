"""Data: file formats, conversion to the declared types, splits, and the table that stages share."""
