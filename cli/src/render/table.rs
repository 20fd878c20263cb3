//! Tables for people: Markdown, so that they can be pasted.

use std::{fmt::Display, io};

use comfy_table::{Cell, CellAlignment, ContentArrangement, presets::ASCII_MARKDOWN};
use tributary_proto::query::v1::{Column, Row};

use super::value;
use crate::terminal;

/// A table that is as wide as its content: lines of a wrapped one could not be found by grep.
pub(crate) struct Table(comfy_table::Table);

impl Table {
    /// With these columns.
    pub(crate) fn new(header: impl IntoIterator<Item = impl Display>) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_preset(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
        table.set_header(header.into_iter().map(|name| terminal::printable(&name.to_string())));
        Self(table)
    }

    /// Numbers are compared by their last digit.
    pub(crate) fn align_right(&mut self, column: usize) {
        if let Some(column) = self.0.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }

    /// One more row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Display>) {
        self.0.add_row(cells.into_iter().map(|cell| Cell::new(terminal::printable(&cell.to_string()))));
    }

    /// Without trailing spaces, with a line end.
    pub(crate) fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        for line in self.0.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

pub(crate) struct Rows<W> {
    table: Table,
    out: W,
}

impl<W: io::Write> Rows<W> {
    pub(super) fn begin(columns: &[Column], out: W) -> Self {
        let mut table = Table::new(columns.iter().map(|column| &column.name));
        for (i, column) in columns.iter().enumerate() {
            if matches!(column.r#type.as_str(), "bigint" | "numeric" | "double precision") {
                table.align_right(i);
            }
        }
        Self { table, out }
    }

    pub(super) fn row(&mut self, row: Row) -> io::Result<()> {
        self.table.row(row.values.into_iter().map(|v| value::text(v).unwrap_or_else(|| "NULL".to_owned())));
        Ok(())
    }

    pub(super) fn end(mut self) -> io::Result<()> {
        self.table.write(&mut self.out)
    }
}
