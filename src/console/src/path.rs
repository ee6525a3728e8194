//! Paths: the words of `set` and `delete`, and the place in the file that they name.
//!
//! ```text
//! service ftp real_server 10.0.0.11 weight 2
//! table   which table     which     field  value
//! ```
//! Which tables and fields there are is the field table of `mark21-config`; an entry of a
//! repeated table is named by its name, its address, its destination, or its number from 1.
//! Comments and order survive: the text is edited, not written anew.

use mark21_api::verdict;
use mark21_config::fields::{self, FieldDoc, Shape, TableDoc, TableForm};
use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, Value};

use crate::answer::Failure;
use crate::exit::Code;

/// A table on the way, and which of its entries.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The table.
    pub(crate) table: &'static TableDoc,
    /// Which entry of a repeated one; `None` where the words end before it.
    pub(crate) entry: Option<String>,
}

/// What words lead to.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    /// The tables, the outermost first.
    pub(crate) steps: Vec<Step>,
    /// The field in the last of them.
    pub(crate) field: Option<&'static FieldDoc>,
    /// What is behind the field.
    pub(crate) values: Vec<String>,
}

impl Path {
    /// Follows words through the field table.
    ///
    /// # Errors
    /// A word is neither a field nor a table there.
    pub(crate) fn read(words: &[String]) -> Result<Self, Failure> {
        let mut path = Self { steps: Vec::new(), field: None, values: Vec::new() };
        let dotted = words.first().is_some_and(|word| word.contains('.'));
        let mut words = words.iter().flat_map(|word| match dotted && !word.contains(['/', ':', '"']) {
            true => word.split('.').map(str::to_owned).collect::<Vec<_>>(),
            false => vec![word.clone()],
        });
        while let Some(word) = words.next() {
            let here = path.table();
            if let Some(table) = here.below().find(|table| table.key() == word) {
                let is_many = matches!(table.form, TableForm::Many { .. });
                let entry = if is_many { words.next() } else { None };
                path.steps.push(Step { table, entry });
            } else if let Some(field) = here.fields.iter().find(|field| field.name == word) {
                path.field = Some(field);
                path.values.extend(words.by_ref());
            } else {
                let known: Vec<&str> = here.keys().collect();
                // `service scheduler rr`: the word that should have been a name is in the name's place.
                if let Some(Step { table, entry: Some(entry) }) = path.steps.last()
                    && known.contains(&entry.as_str())
                {
                    return Err(unnamed(table));
                }
                let place = if here.path.is_empty() { "the file" } else { here.path };
                let message = format!("there is no {word:?} in {place}");
                return Err(Failure::new(Code::Usage, message, format!("known are: {}", known.join(", "))));
            }
        }
        Ok(path)
    }

    /// The table that the words have reached.
    pub(crate) fn table(&self) -> &'static TableDoc {
        self.steps.last().map_or_else(top, |step| step.table)
    }
}

fn top() -> &'static TableDoc {
    fields::table("").expect("the reference starts with the top of the file")
}

/// Sets a field; tables on the way are made where they are missing.
///
/// # Errors
/// The words name no field, or what follows is not what it takes.
pub(crate) fn set(text: &str, words: &[String]) -> Result<String, Failure> {
    let path = Path::read(words)?;
    let Some(field) = path.field else {
        if let Some(Step { table, entry: None }) = path.steps.last()
            && matches!(table.form, TableForm::Many { .. })
        {
            return Err(unnamed(table));
        }
        let known: Vec<&str> = path.table().keys().collect();
        return Err(usage("the words name no field", format!("known are: {}", known.join(", "))));
    };
    if path.values.is_empty() {
        return Err(usage(format!("{} has no value", field.name), format!("it takes: {}", field.values)));
    }
    let value = value_of(field, &path.values)?;
    let mut document = read(text)?;
    let mut table: &mut dyn TableLike = document.as_table_mut();
    for step in &path.steps {
        table = enter(table, step, Missing::Make)?;
    }
    put(table, field.name, value);
    let edited = document.to_string();
    match refusal(text, &edited, field.name) {
        Some(failure) => Err(failure),
        None => Ok(edited),
    }
}

/// Deletes a field, a table, or one entry of a repeated table.
///
/// # Errors
/// The words name nothing that is there.
pub(crate) fn delete(text: &str, words: &[String]) -> Result<String, Failure> {
    let path = Path::read(words)?;
    if let Some(more) = path.values.first() {
        return Err(usage(
            format!("{more:?} is one word too many"),
            "name a field, or a table and its entry",
        ));
    }
    let mut document = read(text)?;
    let mut table: &mut dyn TableLike = document.as_table_mut();
    let last = path.steps.len().saturating_sub(usize::from(path.field.is_none()));
    for step in path.steps.iter().take(last) {
        table = enter(table, step, Missing::Refuse)?;
    }
    let gone = match (path.field, path.steps.get(last)) {
        (Some(field), _) => table.remove(field.name).is_some(),
        (None, Some(Step { table: doc, entry: None })) => table.remove(doc.key()).is_some(),
        (None, Some(step @ Step { table: doc, entry: Some(entry) })) => {
            let entries = entries(table, step)?;
            let position = find(entries, doc, entry).ok_or_else(|| absent(doc, entry, entries))?;
            entries.remove(position);
            let is_empty = entries.is_empty();
            if is_empty {
                table.remove(doc.key());
            }
            true
        }
        (None, None) => false,
    };
    match gone {
        true => Ok(document.to_string()),
        false => Err(usage(
            format!("{} is not in the draft", words.join(" ")),
            "show configuration draft shows it",
        )),
    }
}

/// The hash of the console's password in this text.
pub(crate) fn password_of(text: &str) -> Option<String> {
    Some(text.parse::<DocumentMut>().ok()?.get("system")?.get("password")?.as_str()?.to_owned())
}

/// How the entries of a repeated table are called in this text, for completion.
pub(crate) fn entries_of(text: &str, steps: &[Step]) -> Vec<String> {
    let Ok(mut document) = read(text) else { return Vec::new() };
    let mut table: &mut dyn TableLike = document.as_table_mut();
    let Some((last, above)) = steps.split_last() else { return Vec::new() };
    for step in above {
        match enter(table, step, Missing::Refuse) {
            Ok(inner) => table = inner,
            Err(_) => return Vec::new(),
        }
    }
    let Some(Item::ArrayOfTables(entries)) = table.get(last.table.key()) else { return Vec::new() };
    names(last.table, entries)
}

fn names(table: &TableDoc, entries: &ArrayOfTables) -> Vec<String> {
    let name = |(index, entry): (usize, &Table)| {
        naming(table)
            .and_then(|key| texts(entry.get(key)?).into_iter().next())
            .unwrap_or_else(|| (index + 1).to_string())
    };
    entries.iter().enumerate().map(name).collect()
}

/// What to do about a table that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Make,
    Refuse,
}

fn enter<'t>(
    above: &'t mut dyn TableLike,
    step: &Step,
    missing: Missing,
) -> Result<&'t mut dyn TableLike, Failure> {
    let key = step.table.key();
    if above.get(key).is_none() {
        if missing == Missing::Refuse {
            return Err(nothing_of(step.table));
        }
        above.insert(
            key,
            match step.table.form {
                TableForm::Many { .. } => Item::ArrayOfTables(ArrayOfTables::new()),
                TableForm::Inline => Item::Value(Value::InlineTable(InlineTable::new())),
                TableForm::Single | TableForm::Top => Item::Table(Table::new()),
            },
        );
    }
    let Some(entry) = &step.entry else {
        if matches!(step.table.form, TableForm::Many { .. }) {
            return Err(unnamed(step.table));
        }
        let inner = above.get_mut(key).and_then(Item::as_table_like_mut);
        return inner.ok_or_else(|| usage(format!("{key} is no table in the draft"), "mend it with edit"));
    };
    let entries = entries(above, step)?;
    let position = match (find(entries, step.table, entry), missing) {
        (Some(position), _) => position,
        (None, Missing::Refuse) => return Err(absent(step.table, entry, entries)),
        (None, Missing::Make) => {
            entries.push(new_entry(entries.len(), step.table, entry)?);
            entries.len() - 1
        }
    };
    let inner = entries.get_mut(position).expect("it was found, or was put there");
    Ok(inner)
}

fn entries<'t>(above: &'t mut dyn TableLike, step: &Step) -> Result<&'t mut ArrayOfTables, Failure> {
    let key = step.table.key();
    let item = above.get_mut(key).ok_or_else(|| nothing_of(step.table))?;
    item.as_array_of_tables_mut().ok_or_else(|| {
        usage(format!("{key} is not written as [[{}]]", step.table.path), "change it with edit")
    })
}

/// The field by which an entry is called; those without one are called by number.
fn naming(table: &TableDoc) -> Option<&'static str> {
    match table.path {
        "route" => Some("to"),
        "service.real_server" => Some("addresses"),
        _ => table.fields.iter().map(|field| field.name).find(|name| *name == "name"),
    }
}

fn find(entries: &ArrayOfTables, table: &TableDoc, wanted: &str) -> Option<usize> {
    let by_name = naming(table).and_then(|key| {
        entries.iter().position(|entry| {
            entry.get(key).is_some_and(|item| texts(item).iter().any(|text| text == wanted))
        })
    });
    let by_number = || wanted.parse::<usize>().ok()?.checked_sub(1).filter(|index| *index < entries.len());
    by_name.or_else(by_number)
}

fn texts(item: &Item) -> Vec<String> {
    match item {
        Item::Value(Value::String(text)) => vec![text.value().clone()],
        Item::Value(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn new_entry(present: usize, table: &TableDoc, entry: &str) -> Result<Table, Failure> {
    let number = entry.parse::<usize>().ok();
    let mut new = Table::new();
    match (naming(table), number) {
        (Some(_), Some(_)) => {
            let hint = format!("as in: {}", example(table));
            return Err(usage(format!("there is no {} {entry}", table.key()), hint));
        }
        (None, number) if number != Some(present + 1) => {
            let hint = format!("they are called by number; the next one is {}", present + 1);
            return Err(usage(format!("there is no {} {entry}", table.path), hint));
        }
        (None, _) => {}
        (Some("addresses"), None) => {
            new.insert("addresses", Item::Value(Array::from_iter([entry]).into()));
        }
        (Some(key), None) => {
            new.insert(key, Item::Value(entry.into()));
        }
    }
    Ok(new)
}

fn put(table: &mut dyn TableLike, key: &str, mut value: Value) {
    match table.get_mut(key) {
        Some(Item::Value(old)) => {
            // Blanks and comments around the old value stay.
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        _ => {
            table.insert(key, Item::Value(value));
        }
    }
}

fn value_of(field: &FieldDoc, words: &[String]) -> Result<Value, Failure> {
    let joined = words.join(" ");
    let many = || usage(format!("{} takes one value", field.name), format!("it takes: {}", field.values));
    match (field.shape(), words) {
        (Shape::List, [one]) if one.starts_with('[') => one
            .parse()
            .map_err(|_| usage(format!("{joined} is no list"), format!("it takes: {}", field.values))),
        (Shape::List, words) => Ok(words.iter().map(String::as_str).collect::<Array>().into()),
        // What is no number becomes a text, of which the parser then says what is wrong with it.
        (Shape::Bare, [one]) => Ok(one
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| one.parse::<bool>().map(Value::from))
            .unwrap_or_else(|_| Value::from(one.as_str()))),
        (Shape::Text, [one]) => Ok(Value::from(one.as_str())),
        (Shape::Bare | Shape::Text, _) => Err(many()),
    }
}

/// What the parser finds wrong with the field that was not wrong before.
fn refusal(before: &str, after: &str, field: &str) -> Option<Failure> {
    let known = verdict::check(before.as_bytes(), "draft").0.findings;
    let found = verdict::check(after.as_bytes(), "draft").0.findings;
    let is_of_the_field = |name: &str| {
        let last = name.rsplit(" . ").next().unwrap_or(name);
        last.split(' ').next() == Some(field)
    };
    let new = found.into_iter().find(|finding| {
        finding.severity == "error"
            && is_of_the_field(&finding.field)
            && !finding.given.is_empty()
            && !known.iter().any(|old| (&old.field, &old.given) == (&finding.field, &finding.given))
    })?;
    let allowed = if new.allowed.is_empty() { String::new() } else { format!("allowed: {}", new.allowed) };
    let hint: Vec<String> = [new.mend, allowed].into_iter().filter(|part| !part.is_empty()).collect();
    let message = format!("{}: {}: {}", new.field, new.given, new.reason);
    Some(Failure::new(Code::Refused, message, hint.join("; ")))
}

fn read(text: &str) -> Result<DocumentMut, Failure> {
    text.parse().map_err(|_| {
        let message = "the draft is no TOML, so no field can be found in it";
        Failure::new(Code::Refused, message, "check says where; mend it with edit")
    })
}

/// An entry that is not there, and those that are.
fn absent(table: &TableDoc, entry: &str, entries: &ArrayOfTables) -> Failure {
    let hint = format!("known are: {}", names(table, entries).join(", "));
    usage(format!("there is no {} {entry}", table.key()), hint)
}

fn nothing_of(table: &TableDoc) -> Failure {
    usage(format!("there is no {} in the draft", table.key()), "show configuration draft shows what is")
}

fn unnamed(table: &TableDoc) -> Failure {
    usage(format!("which {} is missing", table.key()), format!("as in: {}", example(table)))
}

fn example(table: &TableDoc) -> &'static str {
    match table.path {
        "route" => "route default via 192.0.2.254",
        "service" => "service ftp scheduler wlc",
        "service.real_server" => "service ftp real_server 10.0.0.11 weight 2",
        "egress" => "egress 1 protocols udp/53 udp/123",
        "allow" => "allow 1 protocols tcp/22",
        "virtual_router" => "virtual_router outside priority 200",
        "sync_group" => "sync_group director members outside inside",
        "syslog" => "syslog 1 address 192.0.2.9",
        _ => "interface outside device eth0",
    }
}

fn usage(message: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::new(Code::Usage, message, hint)
}

#[cfg(test)]
#[path = "path/tests.rs"]
mod tests;
