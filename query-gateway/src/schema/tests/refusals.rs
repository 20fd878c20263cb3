//! Schemas that are refused, each with the names that matter.

use std::sync::Arc;

use crate::{
    catalog::{Catalog, Relation},
    schema::{
        Schema,
        fixture::{LIBRARY, publish},
    },
};

const ENTITY: &str = r#"option (tributary.options.v1.entity) = {table: "t"};"#;
const KEY: &str = "string id = 1 [(tributary.options.v1.field).key = true];";

#[test]
fn a_schema_that_cannot_be_tables_is_refused() {
    let cases = [
        (format!("message A {{ {ENTITY} string id = 1; }}"), "`library.v1.A`: no field is its key"),
        (
            format!("message A {{ {ENTITY} {KEY} string p_x = 2; P p = 3; }} message P {{ string x = 1; }}"),
            "`p.x` and `p_x` would both be column `p_x` of table `t`",
        ),
        (
            format!(
                "message A {{ {ENTITY} {KEY} string b = 2; string other = 3 [(tributary.options.v1.field).name = \"B\"]; }}"
            ),
            "`other` and `b` would both be column `b`",
        ),
        (
            format!("message A {{ {ENTITY} {KEY} repeated P ps = 2; }} message P {{ string id = 1; }}"),
            "`ps.id` and `id` would both be column `id` of table `t_ps`",
        ),
        (
            format!("message A {{ {ENTITY} {KEY} repeated P ps = 2; }} message P {{ string ordinal = 1; }}"),
            "would both be column `ordinal`",
        ),
        (format!("message A {{ {ENTITY} {KEY} string _x = 2; }}"), "`_x` cannot be the name of a column"),
        (
            format!(
                "message A {{ {ENTITY} {KEY} string x = 2 [(tributary.options.v1.field).name = \"a b\"]; }}"
            ),
            "`a b` cannot be the name",
        ),
        (
            format!(
                "message A {{ {ENTITY} {KEY} repeated P ps = 2 [(tributary.options.v1.field).name = \"T\"]; }} message P {{ string x = 1; }}"
            ),
            "`T` cannot be the name of a table",
        ),
        (
            format!(
                "message A {{ {ENTITY} {KEY} repeated P ps = 2 [(tributary.options.v1.field).name = \"t\"]; }} message P {{ string x = 1; }}"
            ),
            "table `t` of `library.v1.A` is there already",
        ),
        (
            format!(
                "message A {{ {ENTITY} optional string id = 1 [(tributary.options.v1.field).key = true]; }}"
            ),
            "`id`: a key is never absent",
        ),
        (
            format!("message A {{ {ENTITY} double id = 1 [(tributary.options.v1.field).key = true]; }}"),
            "`id`: a key is an integer",
        ),
        (
            format!(
                "message A {{ {ENTITY} repeated string id = 1 [(tributary.options.v1.field).key = true]; }}"
            ),
            "`id`: a key is an integer",
        ),
        (
            format!(
                "message A {{ {ENTITY} string id = 1 [(tributary.options.v1.field) = {{key: true, skip: true}}]; }}"
            ),
            "`id`: it is a key and cannot be skipped",
        ),
        (
            format!(
                "message A {{ {ENTITY} {KEY} P p = 2; }} message P {{ string x = 1 [(tributary.options.v1.field).key = true]; }}"
            ),
            "`p.x`: a key is a field of the entity",
        ),
        (
            "message A { option (tributary.options.v1.entity) = {table: \"sqlite_x\"}; string id = 1; }"
                .to_owned(),
            "`sqlite_x` cannot be the name of a table",
        ),
        (
            format!(
                "message A {{ {ENTITY} {KEY} repeated P x = 2; }} message P {{ string s = 1; }} message B {{ option (tributary.options.v1.entity) = {{table: \"t_x\"}}; {KEY} }}"
            ),
            "table `t_x`",
        ),
    ];
    for (proto, expected) in cases {
        let error = publish(&proto).schema().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\nlacks {expected}\nfor {proto}");
    }
}

#[test]
fn descriptors_that_are_none_are_refused() {
    let mut published = publish(LIBRARY);
    published.described.entities[0].message = "library.v1.Missing".to_owned();
    assert!(published.schema().unwrap_err().to_string().contains("`library.v1.Missing`"));
    published.described.entities[0].message = "library.v1.Copy".to_owned();
    assert!(published.schema().unwrap_err().to_string().contains("it has no option"));
    published.described.file_descriptor_set = vec![0xff];
    assert!(published.schema().unwrap_err().to_string().contains("descriptors of library cannot be used"));
}

#[test]
fn tables_of_two_sources_do_not_share_a_name() {
    let schema = publish(LIBRARY).schema().unwrap();
    let catalog = Catalog::default().with(|_| false, schema.relations());
    schema.check_against(&catalog).unwrap();
    let other = Schema::learn("archive", &publish(LIBRARY).described).unwrap();
    let error = other.check_against(&catalog).unwrap_err().to_string();
    assert!(error.contains("table `books` of `archive`") && error.contains("source `library`"), "{error}");
    let view = Relation::view("loans", Vec::new(), Vec::new());
    let error = schema.check_against(&Catalog::default().with(|_| false, [Arc::new(view)])).unwrap_err();
    assert!(error.to_string().contains("table `loans`") && error.to_string().contains("it is a view"));
}
