//! The D-Bus interface of a Mark21 director, for both of its ends.
