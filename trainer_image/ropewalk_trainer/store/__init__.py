"""The artifact store: URIs, filesystems, and the layout of a Pipeline's root."""
