//! Writes the man pages and the shell completions of `mark21` into a folder.
//!
//! ```text
//! cargo run -p mark21-console --example pages -- target/pages
//! ```

use std::path::PathBuf;
use std::{env, fs, io};

use clap_complete::Shell;

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).map_or_else(|| PathBuf::from("target/pages"), PathBuf::from);
    fs::create_dir_all(&folder)?;
    let mut command = mark21_console::command().disable_help_subcommand(true);
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command, "mark21", &folder)?;
    }
    clap_mangen::generate_to(command, &folder)?;
    println!("{}", folder.display());
    Ok(())
}
