"""Looks at a deployment from outside or inside, and says of each thing that is wrong what to do about it."""
