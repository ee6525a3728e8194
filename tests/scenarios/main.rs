//! Every scenario, in one program: libtest runs them side by side where they may.

// The lab itself: the raw client against vsftpd, without a director.
mod harness;

// The image: it boots from its disk, however it is started.
mod image;

// The director: it boots, serves, refuses and survives.
mod announce;
mod commit;
mod cuts;
mod family;
mod fields;
mod flood;
mod foreign;
mod forwarding;
mod hostile;
mod install;
mod isolation;
mod matrix;
mod modules;
mod narrow;
mod outward;
mod ports;
mod refusal;
mod rewrite;
mod store;
mod survival;
mod trunk;
mod watchdog;

// A person at the serial line.
mod answers;
mod backup;
mod console;
mod hands;
mod rescue;
mod session;
mod setup;

// An operator's own rules.
mod extra;

// The way in from outside, the clock, the log's way out.
mod access;
mod bus;
mod clock_and_log;

// Two directors: one carries on for the other.
mod cables;
mod carry;
mod demo;
mod failover;
