"""Approximate searches that name candidates for the exact one."""
