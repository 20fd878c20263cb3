//! What identifies the rows of a node.

use super::library::{Views, last, plan};
use crate::delta::plan::Node;

/// Labels of the key; `?` behind those that can be NULL.
fn key_of(node: &Node) -> Vec<String> {
    let part = |column: &crate::delta::plan::Column| {
        format!("{}{}", column.label, if column.nullable { "?" } else { "" })
    };
    node.key_columns().map(part).collect()
}

fn key(select: &str) -> Vec<String> {
    key_of(last(&plan(select)))
}

#[test]
fn rows_of_a_table_are_known_by_its_key() {
    assert_eq!(key("SELECT book_id, title FROM books"), ["book_id"]);
    // Under the name that the view gives it; and hidden if the view does not show it.
    assert_eq!(key("SELECT book_id AS id FROM books"), ["id"]);
    assert_eq!(key("SELECT title FROM books"), ["#key0"]);
    assert_eq!(key("SELECT number, days FROM loans"), ["#key0", "number"]);
}

#[test]
fn what_is_joined_by_its_whole_key_adds_nothing() {
    let loans = "SELECT l.branch, l.number, b.title FROM";
    assert_eq!(key(&format!("{loans} loans l JOIN books b ON b.book_id = l.book_id")), ["branch", "number"]);
    assert_eq!(key(&format!("{loans} books b JOIN loans l ON b.book_id = l.book_id")), ["branch", "number"]);
    assert_eq!(
        key(&format!("{loans} loans l LEFT JOIN books b ON b.book_id = l.book_id")),
        ["branch", "number"]
    );
    // By way of another one.
    let chain = "SELECT c.image, b.title, b2.title AS other FROM covers c JOIN books b ON b.book_id = c.book_id \
                 JOIN books b2 ON b2.book_id = b.genre";
    assert_eq!(key(chain), ["image"]);
    // A half of its key does not.
    let half = "SELECT b.book_id, l.branch, l.number FROM books b JOIN loans l ON l.branch = b.genre";
    assert_eq!(key(half), ["book_id", "branch", "number"]);
    // Nor what is less than an equality.
    let less = "SELECT l.branch, l.number, b.book_id FROM loans l JOIN books b ON b.book_id <= l.book_id";
    assert_eq!(key(less), ["branch", "number", "book_id"]);
}

#[test]
fn who_may_have_no_partner_is_known_by_null() {
    let many = "SELECT b.book_id, l.branch, l.number FROM books b LEFT JOIN loans l ON l.book_id = b.book_id";
    assert_eq!(key(many), ["book_id", "branch?", "number?"]);
    let right =
        "SELECT b.book_id, l.branch, l.number FROM books b RIGHT JOIN loans l ON l.book_id = b.book_id";
    assert_eq!(key(right), ["branch", "number"]);
    // Both alike: neither is determined, although each is joined by the key of the other.
    let itself =
        "SELECT a.book_id, b.book_id AS other FROM books a LEFT JOIN books b ON b.book_id = a.book_id";
    assert_eq!(key(itself), ["book_id"]);
}

#[test]
fn partners_that_are_only_looked_for_add_nothing() {
    let exists =
        "SELECT book_id FROM books b WHERE EXISTS (SELECT 1 FROM loans l WHERE l.book_id = b.book_id)";
    assert_eq!(key(exists), ["book_id"]);
    let missing = "SELECT book_id FROM books WHERE book_id NOT IN (SELECT book_id FROM covers)";
    assert_eq!(key(missing), ["book_id"]);
}

#[test]
fn rows_of_a_union_are_known_by_their_branch() {
    let union = "SELECT book_id FROM books UNION ALL SELECT branch FROM loans";
    assert_eq!(key(union), ["#branch", "#key0?", "#key1?"]);
    let full = "SELECT b.title, l.days FROM books b FULL JOIN loans l ON l.book_id = b.book_id";
    assert_eq!(key(full), ["#branch", "#key0?", "#key1?", "#key2?"]);
}

#[test]
fn groups_are_known_by_what_they_are_grouped_by() {
    assert_eq!(key("SELECT genre, rare, count(*) FROM books GROUP BY genre, rare"), ["genre?", "rare"]);
    assert_eq!(key("SELECT count(*) FROM books GROUP BY genre"), ["#key0?"]);
    assert_eq!(key("SELECT count(*) FROM books"), ["#key0"]);
    assert_eq!(key("SELECT DISTINCT genre, rare FROM books"), ["genre?", "rare"]);
    assert_eq!(key("SELECT genre FROM books UNION SELECT town FROM readers"), ["genre?"]);
    // What depends on the key of its table comes with it.
    assert_eq!(key("SELECT title, count(*) FROM books GROUP BY book_id"), ["#key0", "title"]);
}

#[test]
fn windows_keep_the_rows_that_they_are_over() {
    let ranks = "SELECT book_id, row_number() OVER (PARTITION BY genre ORDER BY pages) AS place FROM books";
    assert_eq!(key(ranks), ["book_id"]);
    let ranks = "SELECT row_number() OVER (PARTITION BY genre ORDER BY pages) AS place FROM books";
    assert_eq!(key(ranks), ["#key0"]);
}

#[test]
fn a_view_over_a_view_goes_by_its_hidden_key() {
    let views = Views::of(
        "CREATE MATERIALIZED VIEW lent AS SELECT days, book_id FROM loans; \
         CREATE MATERIALIZED VIEW titles AS SELECT days, title FROM lent JOIN books USING (book_id);",
    );
    assert_eq!(key_of(last(&views.unwrap().plan())), ["#key0", "#key1"]);
}
