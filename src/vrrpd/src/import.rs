//! `vrrpd import`: keepalived.conf in, the same in TOML out, with a comment at each thing that was
//! not carried over.
//!
//! ```text
//!   text --words--> tree of Node --instance, group, script--> TOML
//!                                   └── keywords::find(block, word): same, different, refused and why
//! ```

mod convert;
mod keywords;

pub(crate) use keywords::table as keyword_table;

use std::path::Path;

/// A line of keepalived.conf, with the block that follows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Node {
    words: Vec<String>,
    children: Vec<Node>,
}

impl Node {
    /// The keyword.
    fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The first argument.
    fn argument(&self) -> &str {
        self.words.get(1).map_or("", String::as_str)
    }

    /// All arguments.
    fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The value of the child `name`.
    fn value(&self, name: &str) -> Option<&str> {
        self.child(name).map(Node::argument)
    }

    fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().rfind(|child| child.name() == name)
    }

    fn has(&self, name: &str) -> bool {
        self.child(name).is_some()
    }
}

/// Reads `path` and writes TOML.
///
/// # Errors
/// When it cannot be read, or a brace is missing.
pub(crate) fn import(path: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    convert::to_toml(&parse(&text)?).map_err(|error| format!("{}: {error}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Node>, String> {
    let mut stack = vec![Node::default()];
    for (number, line) in text.lines().enumerate() {
        for token in statements(line) {
            match token {
                Token::Words(words) => {
                    if let Some(block) = stack.last_mut() {
                        block.children.push(Node { words, children: Vec::new() });
                    }
                }
                Token::Open => {
                    let block = stack.last_mut().and_then(|block| block.children.pop()).unwrap_or_default();
                    stack.push(block);
                }
                Token::Close => {
                    let block = stack.pop().unwrap_or_default();
                    match stack.last_mut() {
                        Some(outer) => outer.children.push(block),
                        None => return Err(format!("{}: a brace too many", number + 1)),
                    }
                }
            }
        }
    }
    match stack.as_slice() {
        [top] => Ok(top.children.clone()),
        _ => Err(String::from("a closing brace is missing at the end")),
    }
}

enum Token {
    Words(Vec<String>),
    Open,
    Close,
}

/// The statements of a line: words up to a brace or the end, `#` and `!` begin a comment.
fn statements(line: &str) -> Vec<Token> {
    let (mut tokens, mut words) = (Vec::new(), Vec::new());
    let mut word = String::new();
    let mut quote = None;
    let mut is_word = false;
    for c in line.chars() {
        match (quote, c) {
            (Some(mark), c) if c == mark => quote = None,
            (Some(_), c) => word.push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                is_word = true;
            }
            (None, '#' | '!') => break,
            (None, '{' | '}') => {
                if is_word {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
                if !words.is_empty() {
                    tokens.push(Token::Words(std::mem::take(&mut words)));
                }
                tokens.push(if c == '{' { Token::Open } else { Token::Close });
            }
            (None, c) if c.is_whitespace() => {
                if is_word {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
            }
            (None, c) => {
                word.push(c);
                is_word = true;
            }
        }
    }
    if is_word {
        words.push(word);
    }
    if !words.is_empty() {
        tokens.push(Token::Words(words));
    }
    tokens
}

#[cfg(test)]
mod tests;
