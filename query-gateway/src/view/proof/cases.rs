//! What was found, each as small as it was made; to be copied from what a failing run prints.

use super::{
    case::MATERIALIZED,
    postgres,
    run::{Ran, run},
    script::Script,
    subject::Setting,
};
use crate::store::tests::place::engines;

/// Runs the case of a test of this name on both stores.
async fn holds(test: &str, text: &str) -> Option<Ran> {
    let mut postgres = postgres::connect(test).await?;
    let script = Script::parse(text, MATERIALIZED);
    let mut all = None;
    for store in engines(test) {
        match run(&script, Setting::of(store), &mut postgres).await {
            Ok(ran) => all = Some(ran),
            Err(difference) => panic!("{store:?}: {difference}"),
        }
    }
    all
}

#[tokio::test]
async fn having_without_groups() {
    let case = r#"
source library:
message Alpha {
  option (tributary.options.v1.entity) = {table: "alpha"};
  int64 k1 = 1 [(tributary.options.v1.field).key = true];
}
CREATE MATERIALIZED VIEW v1 AS SELECT 'a' AS c1 FROM alpha a1 HAVING FALSE;
CREATE MATERIALIZED VIEW v2 AS SELECT 'a' AS c1 FROM alpha a1 HAVING count(*) < 1;
batches before the views: 0
[]
[{"alpha": {"k1": 1}}]
"#;
    holds("having_without_groups", case).await;
}

#[tokio::test]
async fn an_element_of_a_scalar() {
    let case = r#"
source library:
message Alpha {
  option (tributary.options.v1.entity) = {table: "alpha"};
  string k1 = 1 [(tributary.options.v1.field).key = true];
}
CREATE MATERIALIZED VIEW v1 AS SELECT jsonb_build_object('b', a1.k1) -> 'b' ->> 0 AS c1 FROM alpha a1;
batches before the views: 0
[{"alpha": {"k1": "k1"}}]
"#;
    holds("an_element_of_a_scalar", case).await;
}

#[tokio::test]
async fn an_outer_join_of_nothing_in_a_union() {
    let case = r#"
source library:
message Alpha {
  option (tributary.options.v1.entity) = {table: "alpha"};
  int64 k1 = 1 [(tributary.options.v1.field).key = true];
}
message Beta {
  option (tributary.options.v1.entity) = {table: "beta"};
  string k1 = 1 [(tributary.options.v1.field).key = true];
}
CREATE MATERIALIZED VIEW v1 AS SELECT a1.k1 AS c1 FROM beta a1 WHERE a1.k1 LIKE '%b%' UNION ALL SELECT 'x' AS c1 FROM alpha a3 RIGHT JOIN alpha a4 ON TRUE;
CREATE MATERIALIZED VIEW v2 AS SELECT a1.k1 AS c1 FROM beta a1 WHERE a1.k1 LIKE '%b%' UNION ALL SELECT 'x' AS c1 FROM alpha a3 FULL JOIN alpha a4 ON a3.k1 = a4.k1;
batches before the views: 0
[{"beta": {"k1": "k5"}}]
[{"alpha": {"k1": 1}}]
"#;
    holds("an_outer_join_of_nothing_in_a_union", case).await;
}

/// What a node has beside the columns that are shown was called as one of those.
#[tokio::test]
async fn a_window_that_nobody_reads_beside_a_column_of_its_name() {
    let case = r#"
source library:
message Alpha {
  option (tributary.options.v1.entity) = {table: "alpha"};
  string k1 = 1 [(tributary.options.v1.field).key = true];
}
CREATE MATERIALIZED VIEW v1 AS WITH w1 AS (SELECT a1.k1 AS c1, row_number() OVER (PARTITION BY a1.k1) AS c2 FROM alpha a1) SELECT a2.c1 AS c1 FROM w1 a2;
batches before the views: 0
[{"alpha": {"k1": "x"}}]
"#;
    holds("a_window_that_nobody_reads_beside_a_column_of_its_name", case).await;
}

/// SQLite took a column that is compared with a constant for that constant in one place of a CASE beside it, and not in another.
#[tokio::test]
async fn a_remainder_by_a_zero_that_is_null() {
    let case = r#"
source library:
message Alpha {
  option (tributary.options.v1.entity) = {table: "alpha"};
  string k1 = 1 [(tributary.options.v1.field).key = true];
}
message Beta {
  option (tributary.options.v1.entity) = {table: "beta"};
  string k1 = 1 [(tributary.options.v1.field).key = true];
  optional int32 f1 = 10;
  repeated BetaItem items = 30;
}
message BetaItem {
  optional int32 g2 = 11;
}
message Gamma {
  option (tributary.options.v1.entity) = {table: "gamma"};
  string k1 = 1 [(tributary.options.v1.field).key = true];
}
CREATE VIEW v1 AS SELECT a9.g2 AS c1 FROM beta_items a9 FULL JOIN gamma a10 ON TRUE;
CREATE VIEW v3 AS SELECT 'a' AS c1 FROM alpha a3 WHERE (NOT EXISTS (SELECT 1 AS c1 FROM beta a4 JOIN v1 a5 ON (a4.f1 = a5.c1) AND (0 NOT IN (2, (0 % NULLIF(a4.f1, 0))))));
CREATE MATERIALIZED VIEW v5 AS SELECT NULL::jsonb AS c1 FROM v3 a1;
CREATE VIEW v6 AS SELECT b1.c1 AS c1 FROM (SELECT b2.f1 AS c1, max(b2.k1) AS c2 FROM beta b2 GROUP BY b2.f1) b1 WHERE (b1.c1 = NULL OR 0 NOT IN (2, 0 % NULLIF(b1.c1, 0))) AND 0 NOT IN (2, 0 % NULLIF(b1.c1, 0)) AND b1.c1 = 1;
batches before the views: 1
[{"beta":{"f1":0,"items":[{"g2":0},{"g2":3}],"k1":"k1"}}]
[]
"#;
    holds("a_remainder_by_a_zero_that_is_null", case).await;
}

/// No defect was found here: it holds the ways in which a batch can come to the gateway.
#[tokio::test]
async fn every_delivery() {
    let case = r#"
source library:
message Alpha {
  option (tributary.options.v1.entity) = {table: "alpha"};
  int64 k1 = 1 [(tributary.options.v1.field).key = true];
  optional string f1 = 2;
  repeated AlphaItem items = 3;
}
message AlphaItem {
  double g1 = 1;
}
source archive:
message Beta {
  option (tributary.options.v1.entity) = {table: "beta"};
  string k1 = 1 [(tributary.options.v1.field).key = true];
}
CREATE MATERIALIZED VIEW v1 AS SELECT b.k1, sum(i.g1) AS total FROM beta b LEFT JOIN alpha a ON a.f1 = b.k1 LEFT JOIN alpha_items i ON i.k1 = a.k1 GROUP BY b.k1;
batches before the views: 1
[{"alpha": {"k1": 1, "f1": "x", "items": [{"g1": 0.5}, {"g1": 1.5}]}}, {"beta": {"k1": "x"}}]
[{"alpha": {"k1": 2, "f1": "y", "items": [{"g1": 4}]}}, {"beta": {"k1": "y"}}, "twice"]
[{"-alpha": {"k1": 1}}, {"alpha": {"k1": 3}}, {"alpha": {"k1": 2, "items": [{"g1": 4}]}}, "snapshot"]
[{"alpha": {"k1": 2, "f1": "x"}}, {"-beta": {"k1": "y"}}, {"-beta": {"k1": "z"}}, "reopened"]
"#;
    let Some(ran) = holds("every_delivery", case).await else { return };
    assert_eq!((ran.batches, ran.changes, ran.compared), (4, 10, 3));
}

#[test]
fn a_case_is_kept_as_it_was_printed() {
    let printed = super::case::Case::draw(7).script().to_string();
    let printed = printed.replace("CREATE VIEW", "CREATE MATERIALIZED VIEW");
    let once = Script::parse(&printed, true).to_string();
    assert_eq!(Script::parse(&once, true).to_string(), once);
    let batches =
        |text: &str| text.lines().filter(|line| line.starts_with('[')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(batches(&once), batches(&printed));
}
