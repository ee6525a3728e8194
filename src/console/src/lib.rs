//! mark21: commands and the machine port.
