//! The fields of a log line for people, less those by which trace viewers are told what the line says anyway.

use std::{error::Error, fmt};

use tracing::{
    field::{Field, Visit},
    span::Record,
};
use tracing_subscriber::{
    field::{RecordFields, VisitOutput as _},
    fmt::{
        FormatFields, FormattedFields,
        format::{DefaultVisitor, Writer},
    },
};

/// As the default, which also makes sure that no text of a caller commands the terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldsForPeople;

impl<'writer> FormatFields<'writer> for FieldsForPeople {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = Selected(DefaultVisitor::new(writer, true));
        fields.record(&mut visitor);
        visitor.0.finish()
    }

    fn add_fields(&self, current: &'writer mut FormattedFields<Self>, fields: &Record<'_>) -> fmt::Result {
        let first = current.fields.is_empty();
        let mut visitor = Selected(DefaultVisitor::new(current.as_writer(), first));
        fields.record(&mut visitor);
        visitor.0.finish()
    }
}

struct Selected<'writer>(DefaultVisitor<'writer>);

impl Selected<'_> {
    fn takes(field: &Field) -> bool {
        !["network.", "otel.", "rpc.", "server."].iter().any(|prefix| field.name().starts_with(prefix))
    }
}

impl Visit for Selected<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if Self::takes(field) {
            self.0.record_str(field, value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        if Self::takes(field) {
            self.0.record_error(field, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if Self::takes(field) {
            self.0.record_debug(field, value);
        }
    }
}
