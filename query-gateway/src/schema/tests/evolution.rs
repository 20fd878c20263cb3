//! What may change while a source goes on.

use crate::schema::{Change, SchemaError, fixture::publish};

const OPTION: &str = r#"option (tributary.options.v1.entity) = {table: "books"};"#;
const KEY: &str = "string isbn = 1 [(tributary.options.v1.field).key = true];";

/// From one body of the message (and what else there is) to another.
fn change(old: &str, new: &str) -> Result<Change, SchemaError> {
    let schema = |fields: &str| {
        let (fields, rest) = fields.split_once('#').unwrap_or((fields, ""));
        publish(&format!("message Book {{ {OPTION} {KEY} {fields} }} {rest}")).schema().unwrap()
    };
    schema(old).change(&schema(new))
}

#[test]
fn more_is_taken_over() {
    for (old, new) in [
        ("", "string title = 2;"),
        ("string title = 2;", "string title = 2; repeated P ps = 3; # message P { string x = 1; }"),
        ("string title = 2;", "optional string title = 2;"),
        (
            "",
            "# message Loan { option (tributary.options.v1.entity) = {table: \"loans\"}; string id = 1 [(tributary.options.v1.field).key = true]; }",
        ),
        ("E e = 2; # enum E { A = 0; }", "E e = 2; # enum E { A = 0; B = 1; }"),
        (
            "map<string, P> m = 2; # message P { string x = 1; }",
            "map<string, P> m = 2; # message P { string x = 1; string y = 2; }",
        ),
        ("int32 n = 2;", "int64 n = 2;"),
    ] {
        assert_eq!(change(old, new).unwrap(), Change::Additive, "{new}");
    }
}

#[test]
fn what_gives_the_same_rows_is_no_change() {
    for (old, new) in [
        ("string title = 2;", "string title = 2;"),
        ("", "string title = 2 [(tributary.options.v1.field).skip = true];"),
        ("", "# message Unrelated { string x = 1; }"),
    ] {
        assert_eq!(change(old, new).unwrap(), Change::None, "{new}");
    }
}

#[test]
fn what_changes_the_meaning_of_rows_is_refused() {
    for (old, new, expected) in [
        ("string title = 2;", "", "field `title` (column `books.title`) is gone"),
        ("string title = 2;", "int64 title = 2;", "field `title` was text and is bigint"),
        ("optional string title = 2;", "string title = 2;", "field `title` could be absent"),
        (
            "string x = 2;",
            "string x = 2 [(tributary.options.v1.field).key = true];",
            "the key of table `books`",
        ),
        ("repeated P ps = 2; # message P { string x = 1; }", "", "table `books_ps` is gone"),
    ] {
        let error = change(old, new).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("--resnapshot library"), "{error}");
        assert!(error.contains("entity `books`"), "{error}");
    }
}
