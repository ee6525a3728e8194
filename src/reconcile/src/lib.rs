//! What the kernel should hold, what it holds, and the ordered changes between the two; pure.
