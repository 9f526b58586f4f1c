"""Everything that can be found wrong, and what to do about it: one table. docs/doctor.md is the same for reading."""
