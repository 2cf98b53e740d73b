"""Text: normalisation, words, and the English forms of words."""
