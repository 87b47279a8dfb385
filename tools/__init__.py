"""Programs that make files of this project; nothing here is shipped."""
