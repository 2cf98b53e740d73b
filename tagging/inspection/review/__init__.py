"""Review of answers by an editor: accepted, rejected and added tags of one video after the other."""
