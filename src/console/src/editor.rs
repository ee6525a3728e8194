//! `edit`: the draft on the whole screen.

use std::time::Duration;

use mark21_api::verdict;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui_textarea::{CursorMove, TextArea};

use crate::answer::{Answer, Failure, json};
use crate::change;
use crate::client::wait_for;
use crate::exit::Code;
use crate::screen::Screen;
use crate::session::Session;

const HELP: &str = "Ctrl-X save and leave  Ctrl-G check  Ctrl-U undo  Ctrl-K cut  Ctrl-C leave it";
/// Nothing happens without a key.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How an editor was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Saving,
    Discarding,
}

/// Edits the draft, or a new one of what runs.
pub(crate) fn run(session: &Session) -> Result<Answer, Failure> {
    let before = wait_for(session.drafted_or_running())?.text;
    let mut area = TextArea::new(before.lines().map(str::to_owned).collect());
    area.set_cursor_line_style(Style::default());
    area.set_tab_length(4);
    let left = edit(&mut area, &before)?;
    let after = area.into_lines().join("\n") + "\n";
    if left == Left::Discarding || after.trim_end() == before.trim_end() {
        return Ok(Answer { text: "nothing has changed".into(), value: json!({}), code: Code::Done });
    }
    wait_for(change::take(session, after, "draft"))
}

fn edit(area: &mut TextArea<'_>, before: &str) -> Result<Left, Failure> {
    let mut screen = Screen::take()?;
    let mut message = HELP.to_owned();
    let mut asked = false;
    loop {
        let place = format!("{}:{}", area.cursor().0 + 1, area.cursor().1 + 1);
        screen.draw(|frame| {
            let [text, bar] =
                Layout::vertical([Constraint::Min(1), Constraint::Length(1)]).areas(frame.area());
            frame.render_widget(&*area, text);
            let bar_text = format!("{place:<8} {message}");
            let style = Style::default().add_modifier(Modifier::REVERSED);
            frame.render_widget(Line::from(bar_text).style(style), bar);
        })?;
        // What was pasted is taken as a whole before it is drawn.
        let mut patience = PATIENCE;
        while let Some(event) = screen.event(patience)? {
            patience = Duration::ZERO;
            let Event::Key(KeyEvent { code, modifiers, .. }) = event else { break };
            match (code, modifiers.contains(KeyModifiers::CONTROL)) {
                (KeyCode::Char('x'), true) => return Ok(Left::Saving),
                (KeyCode::Char('c'), true) => {
                    let is_changed = area.lines().join("\n").trim_end() != before.trim_end();
                    if asked || !is_changed {
                        return Ok(Left::Discarding);
                    }
                    asked = true;
                    message = "not saved: Ctrl-C once more forgets the changes, Ctrl-X saves".to_owned();
                    break;
                }
                (KeyCode::Char('g'), true) => {
                    message = go_to_first_finding(area);
                    break;
                }
                (KeyCode::Char('l'), true) => {
                    screen.redraw()?;
                    break;
                }
                _ => {
                    asked = false;
                    message = HELP.to_owned();
                    area.input(event);
                }
            }
        }
    }
}

/// Puts the cursor where the first error is, or the first warning; says what it is.
fn go_to_first_finding(area: &mut TextArea<'_>) -> String {
    let text = area.lines().join("\n");
    let findings = verdict::check(text.as_bytes(), "draft").0.findings;
    let first = findings.iter().find(|finding| finding.severity == "error").or(findings.first());
    let Some(finding) = first else { return "good".to_owned() };
    let to = |number: u64| u16::try_from(number.saturating_sub(1)).unwrap_or(u16::MAX);
    area.move_cursor(CursorMove::Jump(to(finding.line), to(finding.column)));
    format!("{}: {}: {}", finding.severity, finding.field, finding.reason)
}
