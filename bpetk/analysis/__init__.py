"""What is in a vocabulary, and what it costs on Chinese and English text."""
