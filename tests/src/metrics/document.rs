//! docs/metrics.md: each row of its tables that begins with a name is a metric.

use std::collections::BTreeSet;

use crate::mesh::{SERVICES, project_file};

/// A metric as it is documented.
#[derive(Clone, Debug)]
pub struct Documented {
    /// As OTLP has it; `-` for what is of the process.
    pub otlp: String,
    /// As Prometheus shows it.
    pub name: String,
    /// `counter`, `up-down counter`, `gauge` or `histogram`.
    pub kind: String,
    /// As OTLP has it; empty for numbers.
    pub unit: String,
    /// As Prometheus shows them.
    pub labels: BTreeSet<String>,
    /// The processes that have it.
    pub of: BTreeSet<&'static str>,
}

impl Documented {
    fn of_row(row: &str) -> Option<Self> {
        let cells: Vec<&str> =
            row.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let [otlp, name, kind, unit, labels, of, meaning] = cells.as_slice() else { return None };
        let name = quoted(name)?;
        assert!(!meaning.is_empty(), "{name} has no meaning");
        let of: BTreeSet<_> = of.split(',').flat_map(|who| processes(who.trim())).collect();
        Some(Self {
            otlp: quoted(otlp).unwrap_or(otlp).to_owned(),
            name: name.to_owned(),
            kind: (*kind).to_owned(),
            unit: quoted(unit).unwrap_or_default().to_owned(),
            labels: labels.split(',').filter_map(|label| quoted(label.trim())).map(str::to_owned).collect(),
            of,
        })
    }

    /// What Prometheus calls the kind.
    pub fn prometheus_kind(&self) -> &str {
        match self.kind.as_str() {
            "up-down counter" => "gauge",
            kind => kind,
        }
    }

    /// The name that Prometheus gives to what OTLP calls so.
    pub fn prometheus_name(&self) -> String {
        let unit = match self.unit.as_str() {
            "" => "",
            "s" => "_seconds",
            "By" => "_bytes",
            other => panic!("{}: the unit {other}", self.name),
        };
        let total = if self.kind == "counter" { "_total" } else { "" };
        format!("{}{unit}{total}", self.otlp.replace('.', "_"))
    }

    /// The names of its samples.
    pub fn samples(&self) -> Vec<String> {
        match self.kind.as_str() {
            "histogram" => ["bucket", "sum", "count"].map(|of| format!("{}_{of}", self.name)).into(),
            _ => vec![self.name.clone()],
        }
    }
}

/// All of them, in order.
pub fn documented() -> Vec<Documented> {
    project_file("docs/metrics.md").lines().filter_map(Documented::of_row).collect()
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('`')?.strip_suffix('`')
}

fn processes(who: &str) -> Vec<&'static str> {
    match who {
        "all" => SERVICES.into_iter().chain(["query-gateway"]).collect(),
        "services" => SERVICES.into(),
        "gateway" => vec!["query-gateway"],
        one => {
            let name = SERVICES.into_iter().find(|name| *name == one);
            vec![name.unwrap_or_else(|| panic!("`{one}` is no process"))]
        }
    }
}
