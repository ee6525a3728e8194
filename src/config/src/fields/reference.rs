//! The reference page, made of the field table.

use alloc::format;
use alloc::string::String;
use core::fmt::Write;

use super::{Absent, FieldDoc, TABLES, TableDoc, TableForm};
use crate::limits;

/// The text of `docs/configuration.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = format!(
        "# Configuration reference

<!-- Written by the tests of src/config from its field table; change it there, then run
     UPDATE=1 cargo test -p mark21-config reference -->

One TOML file of at most {} bytes, UTF-8. Two complete ones to start from are
[single.toml](../src/config/examples/single.toml), one director, and
[pair.toml](../src/config/examples/pair.toml), the first of two.

- A key that is not listed here is an error, not ignored.
- Objects name each other by `name`; names are unique within their table.
- Durations are a whole number and a unit: `\"100ms\"`, `\"2s\"`, `\"10m\"`, `\"24h\"`.
- What is wrong is reported with line, column, field, reason and mend: all syntax errors at once; if
  there are none, every unknown or missing key and the first wrong value of each table; if there are
  none, everything that cannot work together. The first {} findings are listed, the rest counted.
  Warnings do not refuse a file.
",
        limits::TEXT_BYTES,
        limits::FINDINGS,
    );
    for table in TABLES {
        write_table(&mut page, table).expect("writing to a string cannot go wrong");
    }
    page
}

fn write_table(page: &mut String, table: &TableDoc) -> core::fmt::Result {
    match table.form {
        TableForm::Top => writeln!(page, "\n## Top of the file")?,
        TableForm::Single => writeln!(page, "\n## `[{}]`", table.path)?,
        TableForm::Many { .. } => writeln!(page, "\n## `[[{}]]`", table.path)?,
        TableForm::Inline => {
            let key = table.key();
            writeln!(
                page,
                "\n### `{key} = {{ .. }}` of `[[{}]]`",
                table.path.trim_end_matches(&format!(".{key}"))
            )?;
        }
    }
    write!(page, "\n{}", table.what)?;
    if let TableForm::Many { limit } = table.form {
        write!(page, " At most {limit}.")?;
    }
    writeln!(page, "\n\n| field | values | default | limit | meaning |\n|---|---|---|---|---|")?;
    table.fields.iter().try_for_each(|field| write_field(page, field))
}

fn write_field(page: &mut String, field: &FieldDoc) -> core::fmt::Result {
    let default = match field.absent {
        Absent::Refused => "required",
        Absent::Means(value) => value,
        Absent::Unset => "",
    };
    write!(page, "| `{}` | {} | {default} | ", field.name, field.values)?;
    if let Some(limit) = field.limit {
        write!(page, "{limit}")?;
    }
    writeln!(page, " | {} |", field.what)
}
