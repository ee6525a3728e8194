//! A kernel in memory for tests: takes a plan's changes as the real one would.
