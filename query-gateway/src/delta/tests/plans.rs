//! What queries compile to: which nodes there are, and what they read.

use super::library::{Views, compiled, kinds, last, plan};
use crate::delta::{
    Plan,
    plan::{Block, Groups, Input, LeafKind, MeasureKind, Node, Operator, Ranks},
};

/// The leaves of a block: what each reads, behind how it takes part. Nodes are `#0`, `#1`.
fn leaves(block: &Block) -> Vec<String> {
    let leaf = |leaf: &crate::delta::plan::Leaf| {
        let kind = match leaf.kind {
            LeafKind::Inner => "",
            LeafKind::Left => "left ",
            LeafKind::Semi => "semi ",
            LeafKind::Anti => "anti ",
        };
        match &leaf.input {
            Input::Relation(name) => format!("{kind}{name}"),
            Input::Node(node) => format!("{kind}#{}", node.0),
        }
    };
    block.leaves.iter().map(leaf).collect()
}

/// The leaves of every block of a node, joined by `, `.
fn blocks(node: &Node) -> Vec<String> {
    node.blocks().map(|block| leaves(block).join(", ")).collect()
}

fn groups(node: &Node) -> &Groups {
    let Operator::Groups(groups) = &node.operator else { panic!("{node:?}") };
    groups
}

fn ranks(node: &Node) -> &Ranks {
    let Operator::Ranks(ranks) = &node.operator else { panic!("{node:?}") };
    ranks
}

/// What each feed adds up, and how much it looks up.
fn feeds(node: &Node) -> Vec<(Vec<MeasureKind>, usize)> {
    let feeds = groups(node).feeds.iter();
    feeds.map(|feed| (feed.sums.iter().map(|sum| sum.kind).collect(), feed.lookups.len())).collect()
}

/// The blocks of a plan of one node that keeps rows.
fn only_rows(select: &str) -> Vec<String> {
    let plan = plan(select);
    assert_eq!(kinds(&plan), ["rows"], "{select}");
    blocks(last(&plan))
}

const LENT: &str = "FROM loans l JOIN books b ON b.book_id = l.book_id";

#[test]
fn a_filter_and_a_projection_are_one_block() {
    let plan = plan("SELECT book_id, upper(title) AS name FROM books WHERE pages > 100 AND rare");
    assert_eq!(kinds(&plan), ["rows"]);
    let [block] = last(&plan).blocks().collect::<Vec<_>>()[..] else { panic!("{plan:?}") };
    assert_eq!((leaves(block), block.filter.len(), block.projection.len()), (vec!["books".to_owned()], 2, 2));
    assert_eq!(plan.shown, 2);
}

#[test]
fn inner_joins_are_one_block_however_they_are_written() {
    let join = format!("SELECT b.title, r.name {LENT} JOIN readers r USING (reader_id)");
    assert_eq!(only_rows(&join), ["loans, books, readers"]);
    let comma = "SELECT b.title FROM loans l, books b WHERE l.book_id = b.book_id";
    assert_eq!(only_rows(comma), ["loans, books"]);
    let sub_query = format!("SELECT title FROM (SELECT b.title, l.days {LENT}) AS lent WHERE days > 3");
    assert_eq!(only_rows(&sub_query), ["loans, books"]);
    let with = format!(
        "WITH lent AS (SELECT b.title, l.days {LENT}) SELECT a.title FROM lent a JOIN lent z ON a.days = z.days"
    );
    assert_eq!(only_rows(&with), ["loans, books, loans, books"]);
    assert_eq!(only_rows("SELECT a.title FROM books a JOIN books z ON a.genre = z.title"), ["books, books"]);
}

#[test]
fn outer_joins_look_for_partners() {
    let select = |join: &str| {
        format!("SELECT b.title, l.days FROM books b {join} JOIN loans l ON l.book_id = b.book_id")
    };
    assert_eq!(only_rows(&select("LEFT")), ["books, left loans"]);
    assert_eq!(only_rows(&select("RIGHT")), ["loans, left books"]);
    assert_eq!(only_rows(&select("FULL")), ["books, left loans", "loans, anti books"]);
}

#[test]
fn an_outer_join_whose_rows_without_partner_are_filtered_out_is_none() {
    let select = |filter: &str| {
        format!(
            "SELECT b.title, l.days FROM books b LEFT JOIN loans l ON l.book_id = b.book_id \
             LEFT JOIN readers r ON r.reader_id = l.reader_id WHERE {filter}"
        )
    };
    assert_eq!(only_rows(&select("l.days > 3")), ["books, loans, left readers"]);
    // By a condition of the one, the other has a partner too.
    assert_eq!(only_rows(&select("r.town = 'Oslo'")), ["books, loans, readers"]);
    assert_eq!(only_rows(&select("r.town IS NOT NULL")), ["books, loans, readers"]);
    for keeps in
        ["l.days IS NULL", "l.days IS DISTINCT FROM 3", "l.days > 3 OR b.rare", "coalesce(l.days, 7) > 3"]
    {
        assert_eq!(only_rows(&select(keeps)), ["books, left loans, left readers"], "{keeps}");
    }
}

#[test]
fn an_operand_of_an_outer_join_is_kept_unless_it_is_a_table() {
    let plan = plan(&format!(
        "SELECT r.name, lent.title FROM readers r LEFT JOIN (SELECT l.reader_id, b.title {LENT}) AS lent USING (reader_id)"
    ));
    assert_eq!(kinds(&plan), ["rows", "rows"]);
    assert_eq!(blocks(&plan.nodes[0]), ["loans, books"]);
    assert_eq!(blocks(last(&plan)), ["readers, left #0"]);
}

#[test]
fn conditions_with_sub_queries_look_for_partners() {
    let select = |condition: &str| only_rows(&format!("SELECT title FROM books b WHERE {condition}"));
    assert_eq!(select("EXISTS (SELECT 1 FROM loans l WHERE l.book_id = b.book_id)"), ["books, semi loans"]);
    assert_eq!(
        select("NOT EXISTS (SELECT 1 FROM loans l WHERE l.book_id = b.book_id)"),
        ["books, anti loans"]
    );
    assert_eq!(select("b.rare AND b.book_id IN (SELECT book_id FROM loans)"), ["books, semi loans"]);
    // What is NULL hinders NOT IN, and is looked for by itself.
    assert_eq!(select("b.book_id NOT IN (SELECT branch FROM loans WHERE days > 3)"), ["books, anti loans"]);
    assert_eq!(
        select("b.book_id NOT IN (SELECT book_id FROM loans WHERE book_id IS NOT NULL)"),
        ["books, anti loans"]
    );
    assert_eq!(select("b.book_id NOT IN (SELECT book_id FROM loans)"), ["books, anti loans, anti loans"]);
    assert_eq!(
        select("b.genre NOT IN (SELECT book_id FROM loans)"),
        ["books, anti loans, anti loans, anti loans"]
    );
    let plan = plan(&format!(
        "SELECT title FROM books WHERE genre IN (SELECT b.genre {LENT}) AND NOT EXISTS (SELECT 1 FROM covers)"
    ));
    assert_eq!(kinds(&plan), ["rows", "rows"]);
    assert_eq!(blocks(last(&plan)), ["books, semi #0, anti covers"]);
}

#[test]
fn unions_are_blocks_of_one_node() {
    let union =
        "SELECT title FROM books UNION ALL SELECT name FROM readers UNION ALL SELECT town FROM readers";
    assert_eq!(only_rows(union), ["books", "readers", "readers"]);
    let distinct = plan("SELECT title FROM books UNION SELECT name FROM readers");
    assert_eq!(
        (kinds(&distinct), blocks(last(&distinct))),
        (vec!["groups"], vec!["books".into(), "readers".into()])
    );
    // Joined with something, each of them is.
    let joined = "SELECT u.name, l.days FROM (SELECT book_id AS name FROM books UNION ALL SELECT title FROM books) AS u \
                  JOIN loans l ON l.book_id = u.name";
    assert_eq!(only_rows(joined), ["books, loans", "books, loans"]);
    // Two unions are not multiplied.
    let two = "SELECT u.t FROM (SELECT title AS t FROM books UNION ALL SELECT genre FROM books) AS u \
               JOIN (SELECT name AS t FROM readers UNION ALL SELECT town FROM readers) AS v ON u.t = v.t";
    let plan = plan(two);
    assert_eq!(
        (kinds(&plan), blocks(last(&plan))),
        (vec!["rows", "rows"], vec!["books, #0".into(), "books, #0".into()])
    );
}

#[test]
fn sums_and_counts_go_by_what_changed() {
    use MeasureKind::{Count, Sum};
    let of = |aggregates: &str| {
        let plan = plan(&format!("SELECT b.genre, {aggregates} {LENT} GROUP BY b.genre"));
        assert_eq!(kinds(&plan), ["groups"], "{aggregates}");
        assert_eq!(blocks(last(&plan)), ["loans, books"]);
        feeds(last(&plan))
    };
    assert_eq!(of("count(*) AS n"), [(vec![], 0)]);
    assert_eq!(of("count(l.fee) AS n"), [(vec![Count], 0)]);
    assert_eq!(of("sum(l.days) AS n"), [(vec![Sum], 0)]);
    // NULL of no value: so values are counted. What two aggregates need is kept once.
    assert_eq!(of("sum(l.fee) AS n, avg(l.fee) AS m"), [(vec![Sum, Count], 0)]);
    assert_eq!(of("count(*) FILTER (WHERE l.days > 7) AS n"), [(vec![Count], 0)]);
    assert_eq!(of("bool_and(b.rare) AS n, bool_or(b.rare) AS m"), [(vec![Count], 0)]);
}

#[test]
fn what_is_no_sum_is_looked_up_in_its_table_or_in_a_node() {
    for aggregate in
        ["min(pages)", "max(title)", "sum(weight)", "avg(weight)", "string_agg(title, ',' ORDER BY title)"]
    {
        let plan = plan(&format!("SELECT genre, {aggregate} AS a FROM books GROUP BY genre"));
        assert_eq!((kinds(&plan), feeds(last(&plan))), (vec!["groups"], vec![(vec![], 1)]), "{aggregate}");
    }
    let joined = plan(&format!("SELECT b.genre, max(l.days) AS longest {LENT} GROUP BY b.genre"));
    assert_eq!(kinds(&joined), ["rows", "groups"]);
    assert_eq!(
        (blocks(&joined.nodes[0]), blocks(last(&joined))),
        (vec!["loans, books".into()], vec!["#0".into()])
    );
    // A key that is no column can be searched for in a node alone.
    let computed = plan("SELECT lower(genre) AS g, max(pages) AS longest FROM books GROUP BY 1");
    assert_eq!(kinds(&computed), ["rows", "groups"]);
}

#[test]
fn different_values_are_kept_as_groups_of_their_own() {
    let plan = plan("SELECT genre, count(DISTINCT title) AS titles, count(*) AS n FROM books GROUP BY genre");
    assert_eq!(kinds(&plan), ["groups", "groups"]);
    assert_eq!((groups(&plan.nodes[0]).keys.len(), blocks(&plan.nodes[0])), (2, vec!["books".into()]));
    assert_eq!(feeds(last(&plan)), [(vec![], 0), (vec![MeasureKind::Count], 0)]);
    assert_eq!(blocks(last(&plan)), ["books", "#0"]);
}

#[test]
fn without_group_by_there_is_one_group() {
    let whole = plan("SELECT count(*) AS n, sum(pages) AS pages FROM books");
    assert!(groups(last(&whole)).whole && kinds(&whole) == ["groups"]);
    assert!(!groups(last(&plan("SELECT count(*) AS n FROM books GROUP BY genre"))).whole);
}

#[test]
fn having_is_a_condition_on_groups() {
    let having = plan("SELECT genre FROM books GROUP BY genre HAVING count(*) > 1 AND max(pages) > 9");
    assert_eq!((kinds(&having), groups(last(&having)).having.len()), (vec!["groups"], 2));
    let sought = "SELECT genre FROM books GROUP BY genre HAVING genre IN (SELECT town FROM readers)";
    let sought = plan(sought);
    assert_eq!(
        (kinds(&sought), blocks(last(&sought))),
        (vec!["groups", "rows"], vec!["#0, semi readers".into()])
    );
}

#[test]
fn distinct_groups_by_every_column() {
    let plan = plan(&format!("SELECT DISTINCT b.genre, l.days {LENT}"));
    assert_eq!((kinds(&plan), groups(last(&plan)).keys.len()), (vec!["groups"], 2));
    assert_eq!(blocks(last(&plan)), ["loans, books"]);
}

#[test]
fn windows_are_over_a_table_or_over_a_node() {
    let over = |from: &str, partition: &str| {
        plan(&format!("SELECT row_number() OVER (PARTITION BY {partition} ORDER BY days) AS place {from}"))
    };
    let table = over("FROM loans", "branch");
    assert_eq!(
        (kinds(&table), &ranks(last(&table)).leaf.input),
        (vec!["windows"], &Input::Relation("loans".into()))
    );
    assert_eq!(kinds(&over("FROM loans", "branch || 'x'")), ["rows", "windows"]);
    assert_eq!(kinds(&over(LENT, "genre")), ["rows", "windows"]);
    let best = "SELECT title FROM (SELECT title, rank() OVER (PARTITION BY genre ORDER BY pages DESC) AS place FROM books) AS r \
                WHERE place <= 3";
    assert_eq!(kinds(&plan(best)), ["windows", "rows"]);
    // Only what all windows share bounds what is computed again.
    let two = "SELECT sum(days) OVER (PARTITION BY branch, book_id) AS s, count(*) OVER (PARTITION BY branch) AS n FROM loans";
    assert_eq!(ranks(last(&plan(two))).partition.len(), 1);
}

#[test]
fn groups_are_joined_by_their_keys() {
    let select = "SELECT r.name, s.n FROM readers r LEFT JOIN (SELECT reader_id, count(*) AS n FROM loans GROUP BY reader_id) AS s \
                  USING (reader_id)";
    let plan = plan(select);
    assert_eq!(
        (kinds(&plan), blocks(last(&plan))),
        (vec!["groups", "rows"], vec!["readers, left #0".into()])
    );
}

fn of_views(text: &str) -> Plan {
    Views::of(text).unwrap().plan()
}

#[test]
fn views_are_taken_in_or_read() {
    let lent = format!("VIEW lent AS SELECT b.title, l.days, l.reader_id {LENT};");
    let over = "CREATE MATERIALIZED VIEW kept AS SELECT name, title FROM lent JOIN readers USING (reader_id)";
    let plain = of_views(&format!("CREATE {lent}{over}"));
    assert_eq!((kinds(&plain), blocks(last(&plain))), (vec!["rows"], vec!["loans, books, readers".into()]));
    let kept = of_views(&format!("CREATE MATERIALIZED {lent}{over}"));
    assert_eq!((kinds(&kept), blocks(last(&kept))), (vec!["rows"], vec!["lent, readers".into()]));
}

#[test]
fn a_with_that_nothing_names_is_not_kept() {
    let plan = plan(
        "WITH unread AS (SELECT genre, count(*) AS n FROM books GROUP BY genre) SELECT name FROM readers",
    );
    assert_eq!((kinds(&plan), blocks(last(&plan))), (vec!["rows"], vec!["readers".into()]));
}

#[test]
fn joins_of_one_table_with_itself_are_kept_in_between_before_they_are_refused() {
    let chain = |count: usize| {
        let join = |n: usize| format!(" JOIN books b{n} ON b{n}.book_id = b{}.genre", n - 1);
        let joins: String = (1..count).map(join).collect();
        compiled(&format!("SELECT b0.title FROM books b0{joins}"))
    };
    assert_eq!(kinds(&chain(7).unwrap()), ["rows"]);
    // 2^8 - 1 terms otherwise.
    let kept = chain(8).unwrap();
    assert_eq!(kinds(&kept), ["rows"; 7]);
    assert_eq!(blocks(last(&kept)), ["#5, books"]);
}
