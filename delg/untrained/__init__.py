"""DELG with nothing trained: a pretrained backbone, and heads that any photographs give, without labels."""
