//! A person at a terminal of 80 columns and 24 lines: tmux on the first serial port of a director.
//!
//! tmux is the terminal, so what is read back is what a person sees, and what is typed goes down the
//! same line as his keys.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::director::BOOT;
use crate::process::run;
use crate::{Director, Result, eventually};

/// tmux answers at once; a busy host may not.
const TMUX: Duration = Duration::from_secs(30);
/// What stands below a page when there are more.
const MORE: &str = "-- more";

/// The terminal; its line is dropped with it.
#[derive(Debug)]
pub struct Screen {
    socket: PathBuf,
    program: PathBuf,
    console: PathBuf,
    limit: Duration,
}

impl Screen {
    /// Plugs in. `program` is the lab's own, which joins a terminal and a socket; an answer of the
    /// console may take `limit`.
    ///
    /// # Errors
    /// When there is no tmux.
    pub fn attach(director: &Director, program: &Path, limit: Duration) -> Result<Self> {
        let console = director.qemu.socket_path("console");
        let socket = console.with_file_name("screen");
        let screen = Self { socket, program: program.to_owned(), console, limit };
        screen.plug_in()?;
        Ok(screen)
    }

    /// Plugs in again after [`Screen::pull`].
    ///
    /// # Errors
    /// When tmux cannot be started.
    pub fn plug_in(&self) -> Result {
        let line = format!("{} attach {}", self.program.display(), self.console.display());
        self.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", &line])?;
        self.tmux(&["set-option", "-g", "history-limit", "10000"])?;
        self.wait("Ctrl-] leaves.").map(drop)
    }

    /// Pulls the plug, whatever stands on the line.
    ///
    /// # Errors
    /// When tmux is gone already.
    pub fn pull(&self) -> Result {
        self.tmux(&["kill-server"])?;
        eventually("the end of tmux", TMUX, || {
            ensure!(self.tmux(&["list-sessions"]).is_err(), "it still runs");
            Ok(())
        })
    }

    /// Gives the terminal another size, of which a serial line tells nobody.
    ///
    /// # Errors
    /// When tmux is gone.
    pub fn resize(&self, columns: u16, rows: u16) -> Result {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &rows]).map(drop)
    }

    /// Gives a box that has no password one, when it asks for it and says `why`.
    ///
    /// # Errors
    /// When it does not ask, or does not keep it.
    pub fn first_password(&self, why: &str, password: &str) -> Result {
        self.wait_for(why, BOOT)?;
        self.wait("New password:")?;
        self.line(password)?;
        self.wait("Once more:")?;
        self.line(password)?;
        self.wait("It is kept as generation")?;
        self.fresh()
    }

    /// The 24 lines, without blanks at their ends and without empty lines below.
    ///
    /// # Errors
    /// When tmux is gone.
    pub fn text(&self) -> Result<String> {
        Ok(self.tmux(&["capture-pane", "-p"])?.trim_end().to_owned())
    }

    /// Types letters.
    ///
    /// # Errors
    /// When tmux is gone.
    pub fn letters(&self, text: &str) -> Result {
        self.tmux(&["send-keys", "-l", "--", text]).map(drop)
    }

    /// Presses keys by tmux's names: `Enter`, `C-c`, `Up`.
    ///
    /// # Errors
    /// When tmux is gone.
    pub fn press(&self, keys: &[&str]) -> Result {
        self.tmux(&[&["send-keys"], keys].concat()).map(drop)
    }

    /// Types a line.
    ///
    /// # Errors
    /// When tmux is gone.
    pub fn line(&self, text: &str) -> Result {
        self.letters(text)?;
        self.press(&["Enter"])
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When tmux is gone.
    pub fn bytes(&self, bytes: &[u8]) -> Result {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let words: Vec<&str> =
            ["send-keys", "-H"].into_iter().chain(hex.iter().map(String::as_str)).collect();
        self.tmux(&words).map(drop)
    }

    /// Pastes a file.
    ///
    /// # Errors
    /// When tmux is gone, or there is no such file.
    pub fn paste(&self, file: &Path) -> Result {
        self.tmux(&["load-buffer", &file.display().to_string()])?;
        self.tmux(&["paste-buffer", "-r"]).map(drop)
    }

    /// Waits until a text is on the screen, turning no page; gives the screen.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn wait(&self, text: &str) -> Result<String> {
        self.wait_for(text, self.limit)
    }

    /// The same with another limit.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn wait_for(&self, text: &str, limit: Duration) -> Result<String> {
        eventually(&format!("{text:?} on the screen"), limit, || {
            let screen = self.text()?;
            ensure!(screen.contains(text), "the screen is\n{screen}");
            Ok(screen)
        })
    }

    /// Waits until the last line has a text, as a question or a prompt.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn wait_last(&self, text: &str) -> Result {
        eventually(&format!("{text:?} on the last line"), self.limit, || {
            let screen = self.text()?;
            ensure!(screen.lines().last().is_some_and(|last| last.contains(text)), "the screen is\n{screen}");
            Ok(())
        })
    }

    /// Waits until a question stands on the last line that nobody has answered yet.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn wait_asked(&self, question: &str) -> Result {
        eventually(&format!("the question {question:?}"), self.limit, || {
            let screen = self.text()?;
            let is_asked = |last: &str| last.contains(question) && last.ends_with(['?', ']']);
            ensure!(screen.lines().last().is_some_and(is_asked), "the screen is\n{screen}");
            Ok(())
        })
    }

    /// Answers questions, each once it is asked.
    ///
    /// # Errors
    /// When one of them does not come in time.
    pub fn answer(&self, answers: &[(&str, &str)]) -> Result {
        answers.iter().try_for_each(|(question, answer)| {
            self.wait_asked(question)?;
            self.line(answer)
        })
    }

    /// Gives a command below what is there already, turning pages, and waits for its answer and the
    /// next prompt.
    ///
    /// # Errors
    /// When the answer does not come in time.
    pub fn say(&self, line: &str, answer: &str) -> Result {
        self.wait_last(">")?;
        let before = self.history()?.lines().count();
        self.line(line)?;
        self.read_on_from(before, answer).map(drop).with_context(|| line.to_owned())
    }

    /// Reads an answer that has begun, turning pages, up to the next prompt; gives all that the
    /// terminal keeps.
    ///
    /// # Errors
    /// When `answer` does not come in time.
    pub fn read_on(&self, answer: &str) -> Result<String> {
        self.read_on_from(0, answer)
    }

    fn read_on_from(&self, before: usize, answer: &str) -> Result<String> {
        let mut turned = 0;
        eventually(&format!("{answer:?}"), self.limit, || {
            let text = self.history()?;
            let new = text.lines().skip(before).collect::<Vec<_>>().join("\n");
            let last = text.lines().last().unwrap_or_default();
            if last.starts_with(MORE) {
                // Once a page: a second key would be typed at the prompt.
                let lines = text.lines().count();
                if lines != turned {
                    turned = lines;
                    self.letters(" ")?;
                }
                bail!("there are more pages");
            }
            ensure!(new.contains(answer) && last.ends_with('>'), "the screen is\n{}", self.text()?);
            Ok(text)
        })
    }

    /// What `?` shows behind a line, on an empty screen.
    ///
    /// # Errors
    /// When it does not show `answer`.
    pub fn help(&self, line: &str, answer: &str) -> Result<String> {
        self.fresh()?;
        self.letters(line)?;
        self.letters("?")?;
        let shown = eventually(answer, self.limit, || {
            let screen = self.text()?;
            let last = screen.lines().last().unwrap_or_default();
            ensure!(screen.contains(answer) && last.ends_with(line.trim_end()), "the screen is\n{screen}");
            Ok(screen)
        })?;
        self.fresh()?;
        Ok(shown)
    }

    /// All that the terminal has shown and keeps, without empty lines below; a line that is longer
    /// than the terminal is wide is one.
    ///
    /// # Errors
    /// When tmux is gone.
    pub fn history(&self) -> Result<String> {
        let text = self.tmux(&["capture-pane", "-p", "-J", "-S", "-"])?;
        let text: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
        Ok(text.join("\n"))
    }

    /// Gives a command on an empty screen, and waits for its answer and the next prompt; gives the
    /// screen, from the prompt on. The first of several pages is left as it is.
    ///
    /// # Errors
    /// When the answer does not come in time.
    pub fn command(&self, line: &str, answer: &str) -> Result<String> {
        self.fresh()?;
        self.line(line)?;
        let screen = eventually(&format!("{line}: {answer:?}"), self.limit, || {
            let screen = self.text()?;
            let last = screen.lines().last().unwrap_or_default();
            if last.starts_with(MORE) && !screen.contains(answer) {
                self.letters(" ")?;
                bail!("there are more pages");
            }
            let is_over = last.ends_with('>') || last.starts_with(MORE);
            ensure!(screen.contains(answer) && is_over, "the screen is\n{screen}");
            Ok(screen)
        })?;
        let is_error = screen.lines().any(|shown| shown.starts_with("error: "));
        ensure!(!is_error || screen.contains("\nhint: "), "no word on what to do next:\n{screen}");
        Ok(screen)
    }

    /// An empty screen with a prompt and nothing else, wherever it stands.
    ///
    /// # Errors
    /// When there is no prompt.
    pub fn fresh(&self) -> Result {
        eventually("a prompt alone", self.limit, || {
            let screen = self.text()?;
            let last = screen.lines().last().unwrap_or_default();
            if last.starts_with(MORE) {
                self.letters("q")?;
            } else if last.ends_with('>') && screen.lines().count() == 1 {
                return Ok(());
            } else {
                // Ctrl-U forgets a line, Ctrl-L empties the screen. Neither ends a command, should one
                // of them come late.
                self.press(&["C-u", "C-l"])?;
            }
            bail!("the screen is\n{screen}")
        })
    }

    fn tmux(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new("tmux");
        command.arg("-u").arg("-S").arg(&self.socket).args(words).env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        let finished = run(command, TMUX).context("tmux, which image/deps installs")?;
        Ok(finished.success()?.text())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // One that is gone already needs no end.
        drop(self.tmux(&["kill-server"]));
    }
}
