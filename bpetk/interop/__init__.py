"""Files of other tokenizer libraries, read and written without those libraries."""
