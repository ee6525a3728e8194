//! `top`: roles, services and servers on the whole screen, a look a second.
//!
//! The servers are a list with a cursor; `d` drains the one under it and `u` gives it its weight
//! again. Only what changes is sent to the terminal, and how much that is stands below.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use mark21_api::status::{RealServer, Service, Status};
use ratatui::Frame;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use crate::answer::{Answer, Failure, json};
use crate::client::wait_for;
use crate::command::Whom;
use crate::exit::Code;
use crate::screen::Screen;
use crate::session::Session;
use crate::{change, client};

/// From one look to the next.
const LOOK: Duration = Duration::from_secs(1);
/// Looks that a sparkline goes back.
const PAST: usize = 20;
/// Lines of the log below.
const EVENTS: u32 = 4;
/// The eight heights of a sparkline, and no connection.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The same for a terminal that has no such letters.
const PLAIN: [char; 9] = [' ', '.', ':', '-', '=', '+', '*', '#', '@'];
const KEYS: &str = "up, down  d drain  u undrain  l redraw  q end";

/// What is drawn.
struct View {
    status: Status,
    events: Vec<String>,
    /// New connections at each look, by service and server.
    past: HashMap<(String, String), Past>,
    cursor: usize,
    /// The first server that is shown.
    scrolled: usize,
    message: String,
    /// Bytes sent in the last second.
    rate: u64,
    bars: &'static [char; 9],
}

/// What is remembered of a server.
#[derive(Default)]
struct Past {
    /// Connections that it had been given at the last look; absent before the first.
    total: Option<u64>,
    /// How many more they were at each look.
    new: VecDeque<u64>,
}

impl Past {
    fn note(&mut self, total: u64) {
        // A server that was removed and added counts from 0.
        self.new.push_back(total.saturating_sub(self.total.unwrap_or(total)));
        self.total = Some(total);
        if self.new.len() > PAST {
            self.new.pop_front();
        }
    }
}

/// Shows the dashboard until `q`.
pub(crate) fn run(session: &Session) -> Result<Answer, Failure> {
    let has_letters = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .any(|name| std::env::var(name).is_ok_and(|value| value.to_ascii_lowercase().contains("utf")));
    let mut view = View {
        status: wait_for(session.status())?,
        events: Vec::new(),
        past: HashMap::new(),
        cursor: 0,
        scrolled: 0,
        message: String::new(),
        rate: 0,
        bars: if has_letters { &BARS } else { &PLAIN },
    };
    let mut screen = Screen::take()?;
    loop {
        view.events = wait_for(events(session)).unwrap_or_default();
        view.note_connections();
        screen.draw(|frame| view.draw(frame))?;
        let (sent, looked) = (screen.sent(), Instant::now());
        while let Some(left) = LOOK.checked_sub(looked.elapsed()) {
            let Some(event) = screen.event(left)? else { continue };
            if let Event::Key(key) = event
                && !view.obey(session, key, &mut screen)?
            {
                return Ok(Answer { text: String::new(), value: json!({}), code: Code::Done });
            }
            screen.draw(|frame| view.draw(frame))?;
        }
        view.rate = screen.sent() - sent;
        match wait_for(session.status()) {
            Ok(status) => view.status = status,
            Err(failure) => view.message = failure.message,
        }
    }
}

async fn events(session: &Session) -> Result<Vec<String>, Failure> {
    let director = client::director(session.via).await?;
    director.log(EVENTS).await.map_err(|error| client::called(&error))
}

impl View {
    fn servers(&self) -> impl Iterator<Item = (&Service, &RealServer)> {
        self.status
            .services
            .iter()
            .flat_map(|service| service.real_servers.iter().map(move |server| (service, server)))
    }

    fn note_connections(&mut self) {
        let now: Vec<_> = self
            .servers()
            .map(|(service, server)| ((service.name.clone(), server.address.clone()), server.connections))
            .collect();
        self.past.retain(|key, _| now.iter().any(|(present, _)| present == key));
        for (key, total) in now {
            self.past.entry(key).or_default().note(total);
        }
    }

    /// Takes a key; whether it goes on.
    fn obey(&mut self, session: &Session, key: KeyEvent, screen: &mut Screen) -> Result<bool, Failure> {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        let last = self.servers().count().saturating_sub(1);
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return Ok(false),
            KeyCode::Char('c') if is_control => return Ok(false),
            KeyCode::Char('l') => screen.redraw()?,
            KeyCode::Up | KeyCode::Char('k') => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.cursor = (self.cursor + 1).min(last),
            KeyCode::Char(letter @ ('d' | 'u')) => {
                let Some((service, server)) = self.servers().nth(self.cursor) else { return Ok(true) };
                let whom =
                    Whom { service: service.name.clone(), server: server.address.clone(), save: false };
                let result = wait_for(async {
                    match letter {
                        'd' => change::drain(session, &whom, false).await,
                        _ => change::undrain(session, &whom).await,
                    }
                });
                self.message = match result {
                    Ok(answer) => answer.text,
                    Err(failure) => format!("error: {}", failure.message),
                };
            }
            _ => {}
        }
        Ok(true)
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let routers = u16::try_from(self.status.virtual_routers.len().div_ceil(2).min(4)).unwrap_or(4);
        let problems = u16::try_from(self.status.problems.len().min(2)).unwrap_or(2);
        let [head, roles, troubles, list, log, bar] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(routers),
            Constraint::Length(problems),
            Constraint::Min(3),
            Constraint::Length(u16::try_from(EVENTS).unwrap_or(4)),
            Constraint::Length(1),
        ])
        .areas(frame.area());
        let reversed = Style::default().add_modifier(Modifier::REVERSED);
        frame.render_widget(Line::from(self.head()).style(reversed), head);
        frame.render_widget(Paragraph::new(self.roles()), roles);
        let troubles_text = self
            .status
            .problems
            .iter()
            .map(|problem| Line::from(format!("PROBLEM {}: {}", problem.subject, problem.text)));
        frame.render_widget(Paragraph::new(troubles_text.collect::<Vec<_>>()), troubles);
        self.list(frame, list);
        let events = self.events.iter().map(|event| Line::from(event.as_str()));
        frame.render_widget(Paragraph::new(events.collect::<Vec<_>>()), log);
        let left = if self.message.is_empty() { KEYS } else { &self.message };
        let width = usize::from(bar.width).saturating_sub(12);
        let text = format!("{left:<width$.width$}{:>8} B/s", self.rate);
        frame.render_widget(Line::from(text).style(reversed), bar);
    }

    fn head(&self) -> String {
        let status = &self.status;
        let generation = match (status.configuration.generation, &status.configuration.unconfirmed) {
            (_, Some(waiting)) => format!(", UNCONFIRMED, back in {} s", waiting.seconds_left),
            (Some(generation), None) => format!(", generation {generation}"),
            (None, None) => ", no configuration".to_owned(),
        };
        format!("{}: {}{generation}", status.hostname, status.state.word())
    }

    fn roles(&self) -> Vec<Line<'static>> {
        let router = |router: &mark21_api::status::VirtualRouter| {
            format!("{:<38.38} ", format!("{} {} (priority {})", router.name, router.state, router.priority))
        };
        self.status
            .virtual_routers
            .chunks(2)
            .map(|pair| Line::from(pair.iter().map(router).collect::<String>()))
            .collect()
    }

    fn list(&mut self, frame: &mut Frame<'_>, area: Rect) {
        let rows = usize::from(area.height).saturating_sub(1);
        // The cursor stays in sight.
        self.scrolled = self.scrolled.min(self.cursor).max((self.cursor + 1).saturating_sub(rows));
        let title = format!(
            "{:<10} {:<22} {:>6} {:>6} {:>6} {:>5} new a second",
            "service", "real server", "weight", "active", "inact.", "new"
        );
        let mut lines = vec![Line::from(title).style(Style::default().add_modifier(Modifier::UNDERLINED))];
        for (number, (service, server)) in self.servers().enumerate().skip(self.scrolled).take(rows) {
            let key = (service.name.clone(), server.address.clone());
            let past = self.past.get(&key);
            let new = past.and_then(|past| past.new.back()).copied().unwrap_or(0);
            let past = past.map(|past| sparkline(&past.new, self.bars)).unwrap_or_default();
            let weight = format!("{}{}", server.weight, if server.draining { "d" } else { "" });
            let text = format!(
                "{:<10.10} {:<22.22} {weight:>6} {:>6} {:>6} {new:>5} {past}",
                service.name, server.address, server.active, server.inactive
            );
            let style = if number == self.cursor { Modifier::REVERSED } else { Modifier::empty() };
            lines.push(Line::from(text).style(Style::default().add_modifier(style)));
        }
        frame.render_widget(Paragraph::new(lines), area);
    }
}

/// Each look a bar, as high as the highest of them lets it be.
fn sparkline(past: &VecDeque<u64>, bars: &[char; 9]) -> String {
    let highest = past.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: &u64| {
        let height = count.saturating_mul(8).div_ceil(highest);
        bars.get(usize::try_from(height).unwrap_or(8)).copied().unwrap_or(' ')
    };
    past.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    fn view() -> View {
        let server = |address: &str, active: u32| RealServer {
            address: address.into(),
            weight: 1,
            active,
            ..RealServer::default()
        };
        let service = Service {
            name: "ftp".into(),
            real_servers: (1..60).map(|number| server(&format!("10.0.0.{number}"), number)).collect(),
            ..Service::default()
        };
        View {
            status: Status {
                hostname: "director-a".into(),
                services: vec![service].into(),
                ..Status::default()
            },
            events: vec!["something has happened".into()],
            past: HashMap::new(),
            cursor: 0,
            scrolled: 0,
            message: String::new(),
            rate: 42,
            bars: &PLAIN,
        }
    }

    fn drawn(view: &mut View, columns: u16, rows: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("memory is a terminal");
        terminal.draw(|frame| view.draw(frame)).expect("and takes everything");
        let buffer = terminal.backend().buffer();
        let row =
            |row: &[ratatui::buffer::Cell]| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
        buffer.content.chunks(columns.into()).map(row).collect()
    }

    #[test]
    fn the_cursor_stays_in_sight_on_every_size() {
        for (columns, rows) in [(80, 24), (132, 50), (40, 10), (10, 3), (1, 1)] {
            let mut view = view();
            for cursor in [0, 30, 58, 3] {
                view.cursor = cursor;
                view.note_connections();
                let text = drawn(&mut view, columns, rows).join("\n");
                if columns >= 80 {
                    assert!(text.contains(&format!("10.0.0.{} ", cursor + 1)), "{columns}x{rows}\n{text}");
                    assert!(text.contains("director-a: starting") && text.contains("42 B/s"), "{text}");
                }
            }
        }
    }

    #[test]
    fn a_sparkline_is_as_high_as_the_highest_look() {
        let line = |counts: &[u64]| sparkline(&counts.iter().copied().collect(), &PLAIN);
        assert_eq!(line(&[0, 0]), "  ");
        assert_eq!(line(&[0, 1, 4, 8]), " .=@");
        assert_eq!(line(&[1 << 40, 1]), "@.");
    }
}
