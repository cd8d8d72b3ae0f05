"""The contract between the programs: resources, documents, values. It imports none of the programs and no numpy."""
