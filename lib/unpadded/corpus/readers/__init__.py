"""Users' own files: folders, tables, BEIR."""
