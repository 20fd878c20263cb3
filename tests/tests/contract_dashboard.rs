//! k8s/dashboard.json shows metrics that there are, by labels that they have, where nothing covers anything else.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "in tests a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};

use mesh_tests::{
    mesh::project_file,
    metrics::{Names, documented, names, word},
};
use serde_json::Value as Json;

/// What Prometheus knows of each series by itself.
const PROMETHEUS: [&str; 3] = ["job", "instance", "le"];
/// What every selector has, so that one service or process can be looked at alone.
const NARROWED: [&str; 2] = ["job", "instance"];
/// Variables that Grafana has by itself.
const GRAFANA: [&str; 2] = ["__rate_interval", "__range"];
const COLUMNS: i64 = 24;

fn dashboard() -> Json {
    serde_json::from_str(&project_file("k8s/dashboard.json")).expect("JSON")
}

/// All panels; a row that is folded holds its own.
fn panels(dashboard: &Json) -> Vec<&Json> {
    let panels = dashboard["panels"].as_array().unwrap();
    panels
        .iter()
        .flat_map(|panel| [vec![panel], panel["panels"].as_array().into_iter().flatten().collect()].concat())
        .collect()
}

/// Each panel that shows something, with its expressions and legends.
fn shown(dashboard: &Json) -> Vec<(&str, Vec<(&str, &str)>)> {
    let panels = panels(dashboard).into_iter().filter(|panel| panel["type"] != "row");
    let panels = panels.map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        let targets = targets
            .map(|target| (target["expr"].as_str().unwrap(), target["legendFormat"].as_str().unwrap()));
        (panel["title"].as_str().unwrap(), targets.collect())
    });
    panels.collect()
}

#[test]
fn every_expression_is_of_metrics_and_labels_that_are_documented() {
    let documented = documented();
    let samples: BTreeMap<_, _> = documented
        .iter()
        .flat_map(|metric| metric.samples().into_iter().map(|sample| (sample, &metric.labels)))
        .collect();
    let dashboard = dashboard();
    for (title, targets) in shown(&dashboard) {
        for (expression, legend) in targets {
            let Names { metrics, groups, .. } = names(expression);
            assert!(!metrics.is_empty(), "{title}: {expression}");
            let mut known: BTreeSet<&str> = PROMETHEUS.into();
            for (metric, selected) in metrics {
                let labels =
                    samples.get(metric).unwrap_or_else(|| panic!("{title}: {metric} is not documented"));
                let of = |label: &str| labels.contains(label) || PROMETHEUS.contains(&label);
                assert!(selected.iter().all(|label| of(label)), "{title}: {selected:?} of {metric}");
                assert!(NARROWED.iter().all(|label| selected.contains(label)), "{title}: {expression}");
                known.extend(labels.iter().map(String::as_str));
            }
            assert!(groups.is_subset(&known), "{title}: {groups:?} of {known:?}");
            let named: BTreeSet<_> = legend.split("{{").skip(1).map(|rest| word(rest.trim_start())).collect();
            assert!(named.is_subset(&groups), "{title}: the legend {legend} of {groups:?}");
        }
    }
}

#[test]
fn every_variable_is_there() {
    let dashboard = dashboard();
    let list = dashboard["templating"]["list"].as_array().unwrap();
    let names_of: BTreeSet<_> = list.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    assert_eq!(names_of, ["datasource", "instance", "service"].into());
    let known = |variable: &str| names_of.contains(variable) || GRAFANA.contains(&variable);
    for (title, targets) in shown(&dashboard) {
        for (expression, _) in targets {
            let variables = names(expression).variables;
            assert!(variables.iter().all(|variable| known(variable)), "{title}: {variables:?}");
            assert!(
                ["service", "instance"].iter().all(|name| variables.contains(name)),
                "{title}: {expression}"
            );
        }
    }
    let documented: BTreeSet<_> = documented().into_iter().map(|metric| metric.name).collect();
    for query in list.iter().filter_map(|variable| variable["query"]["query"].as_str()) {
        let values = word(query.strip_prefix("label_values(").expect("values of a label"));
        assert!(documented.contains(values), "{query}");
    }
    // Whoever imports it chooses which Prometheus.
    assert_eq!(list.iter().find(|variable| variable["name"] == "datasource").unwrap()["query"], "prometheus");
    for panel in panels(&dashboard).into_iter().filter(|panel| panel["type"] != "row") {
        let of = |of: &Json| {
            of["datasource"]["uid"] == "${datasource}" && of["datasource"]["type"] == "prometheus"
        };
        assert!(of(panel) && panel["targets"].as_array().unwrap().iter().all(of), "{}", panel["title"]);
    }
}

#[test]
fn panels_show_something_and_do_not_overlap() {
    let dashboard = dashboard();
    let (mut ids, mut titles, mut cells) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_i64().unwrap()), "{title}: its id is another's");
        let kind = panel["type"].as_str().unwrap();
        assert!(titles.insert((kind == "row", title)), "{title}: twice");
        let side = |name: &str| panel["gridPos"][name].as_i64().unwrap();
        let (x, y, w, h) = (side("x"), side("y"), side("w"), side("h"));
        assert!(x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= COLUMNS, "{title}: {}", panel["gridPos"]);
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            let other = cells.insert(cell, title);
            assert!(other.is_none(), "{title} covers {other:?}");
        }
        let targets = panel["targets"].as_array();
        assert_eq!(targets.is_none_or(Vec::is_empty), kind == "row", "{title}");
        let letters: BTreeSet<_> =
            targets.into_iter().flatten().map(|target| target["refId"].as_str().unwrap()).collect();
        assert_eq!(letters.len(), targets.map_or(0, Vec::len), "{title}: each target has its letter");
    }
}

#[test]
fn names_are_found_in_expressions() {
    let expression = "histogram_quantile(0.99, sum by (a, le) (rate(m_bucket{job=~\"$service\", b!=\"{x}\"}[$__range]))) / n";
    let names = names(expression);
    assert_eq!(names.metrics, [("m_bucket", ["job", "b"].into()), ("n", [].into())]);
    assert_eq!(names.groups, ["a", "le"].into());
    assert_eq!(names.variables, ["service", "__range"].into());
}
