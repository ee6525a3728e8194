//! The whole screen of the terminal, for what is not lines: the editor and the dashboard.
//!
//! Only what changes is sent; how much that was is counted, for a line of 11 520 bytes a second
//! has nothing to give away.

use std::cell::Cell;
use std::io::{self, Stdout, Write};
use std::rc::Rc;

use ratatui::Frame;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use std::time::Duration;

use crate::answer::Failure;
use crate::terminal::{self, gone};

/// The screen, until it is dropped; the lines before it are then there again, where the terminal
/// keeps them.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Counting>>,
    sent: Rc<Cell<u64>>,
}

impl Screen {
    /// Takes the screen.
    ///
    /// # Errors
    /// Standard output is no terminal.
    pub(crate) fn take() -> Result<Self, Failure> {
        let sent = Rc::new(Cell::new(0));
        let out = Counting { out: io::stdout(), sent: Rc::clone(&sent) };
        let opened = || {
            enable_raw_mode()?;
            execute!(io::stdout(), EnterAlternateScreen)?;
            Terminal::new(CrosstermBackend::new(out))
        };
        opened().map(|terminal| Self { terminal, sent }).map_err(|error| gone(&error))
    }

    /// Draws, sending what has changed.
    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<(), Failure> {
        self.terminal.draw(draw).map(drop).map_err(|error| gone(&error))
    }

    /// Forgets what is on the terminal, so that all of it is drawn anew. A serial line tells nobody that
    /// its terminal has another size now, so it is asked.
    pub(crate) fn redraw(&mut self) -> Result<(), Failure> {
        if terminal::is_serial() {
            terminal::measure();
        }
        self.terminal.clear().map_err(|error| gone(&error))
    }

    /// Bytes sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// The next thing that happens within this time.
    pub(crate) fn event(&mut self, within: Duration) -> Result<Option<Event>, Failure> {
        let next = || match event::poll(within)? {
            true => event::read().map(Some),
            false => Ok(None),
        };
        match next() {
            // Terminals that tell of a key's release do so on top of its press.
            Ok(Some(Event::Key(key))) if key.kind == KeyEventKind::Release => Ok(None),
            other => other.map_err(|error| gone(&error)),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing put back.
        let _ = self.terminal.show_cursor();
        let _ = execute!(io::stdout(), LeaveAlternateScreen);
        let _ = disable_raw_mode();
    }
}

/// Standard output that counts.
struct Counting {
    out: Stdout,
    sent: Rc<Cell<u64>>,
}

impl Write for Counting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sent.set(self.sent.get() + written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
