use prost_reflect::DescriptorPool;

use super::*;

const PROTO: &str = "syntax = \"proto3\"; package library.v1;
    import \"google/protobuf/timestamp.proto\"; import \"google/protobuf/wrappers.proto\";
    message Q {}
    enum Genre { GENRE_UNSPECIFIED = 0; NOVEL = 1; }
    message Row {
        bool flag = 1; int32 small = 2; uint64 large = 3; float single = 4; string text = 5; bytes raw = 6;
        Genre genre = 7; google.protobuf.Timestamp time = 8; google.protobuf.Int64Value wrapped = 9; Row row = 10;
        repeated int64 list = 11; map<string, string> map = 12;
        oneof either { string one = 13; string other = 14; }
    }
    message Rows { repeated Row rows = 1; }
    message Two { repeated Row rows = 1; repeated Row others = 2; }
    service Desk { rpc Single(Q) returns (Row); rpc Many(Q) returns (Rows); rpc Stream(Q) returns (stream Row); rpc Unclear(Q) returns (Two); }";

fn method(name: &str) -> MethodDescriptor {
    let file = protox::file::File::from_source("desk.proto", PROTO).unwrap();
    let mut chain = protox::file::ChainFileResolver::new();
    chain.add(Only(file));
    chain.add(protox::file::GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(chain);
    compiler.include_imports(true).open_file("desk.proto").unwrap();
    let pool: DescriptorPool = compiler.descriptor_pool();
    let service = pool.get_service_by_name("library.v1.Desk").unwrap();
    service.methods().find(|method| method.name() == name).unwrap()
}

struct Only(protox::file::File);

impl protox::file::FileResolver for Only {
    fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
        (name == self.0.name()).then(|| self.0.clone()).ok_or_else(|| protox::Error::file_not_found(name))
    }
}

fn shape(name: &str, columns: &[(&str, Type)]) -> Result<Shape, String> {
    let column = |(name, ty): &(&str, Type)| Column { name: (*name).to_owned(), ty: *ty, nullable: true };
    Shape::of(&method(name), &columns.iter().map(column).collect::<Vec<_>>())
}

fn set(column: &str, ty: Type, cell: Cell) -> Result<String, String> {
    let shape = shape("Single", &[(column, ty)])?;
    shape.row().message(vec![cell]).map(|message| message.to_string()).map_err(|misfit| misfit.to_string())
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn numeric(text: &str) -> Cell {
    Cell::Numeric(text.to_owned())
}

#[test]
fn the_response_decides_where_rows_go() {
    let columns = [("small", Type::Bigint)];
    assert!(matches!(shape("Single", &columns), Ok(Shape::Single(_))));
    assert!(matches!(shape("Many", &columns), Ok(Shape::Rows { .. })));
    assert!(matches!(shape("Stream", &columns), Ok(Shape::Stream(_))));
    // The one repeated field is meant itself.
    assert!(matches!(shape("Many", &[("rows", Type::Jsonb)]), Ok(Shape::Single(_))));
    let unclear = shape("Unclear", &columns).unwrap_err();
    assert!(unclear.contains("column small has no field in library.v1.Two"), "{unclear}");
}

#[test]
fn each_field_takes_the_types_that_it_can_hold() {
    use Type::{Bigint, Bool, Bytea, Double, Interval, Jsonb, Numeric, Text, Timestamptz};
    let all = [Bool, Bigint, Double, Numeric, Text, Bytea, Timestamptz, Interval, Jsonb];
    for (field, takes) in [
        ("flag", &[Bool][..]),
        ("small", &[Bigint, Numeric]),
        ("large", &[Bigint, Numeric]),
        ("single", &[Bigint, Double, Numeric]),
        ("text", &[Numeric, Text, Interval, Jsonb]),
        ("raw", &[Bytea]),
        ("genre", &[Text]),
        ("time", &[Timestamptz]),
        ("wrapped", &[Bigint, Numeric]),
        ("row", &[Jsonb]),
        ("list", &[Jsonb]),
        ("map", &[Jsonb]),
    ] {
        for ty in all {
            assert_eq!(shape("Single", &[(field, ty)]).is_ok(), takes.contains(&ty), "{field} from {ty}");
        }
    }
}

#[test]
fn columns_that_meet_are_refused() {
    let twice = shape("Single", &[("text", Type::Text), ("text", Type::Text)]).unwrap_err();
    assert!(twice.contains("two columns are named text"), "{twice}");
    let oneof = shape("Single", &[("one", Type::Text), ("other", Type::Text)]).unwrap_err();
    assert!(oneof.contains("columns one and other both go to the oneof either"), "{oneof}");
}

#[test]
fn values_fit_or_say_why_not() {
    for (field, ty, cell, expected) in [
        ("small", Type::Bigint, Cell::Bigint(i32::MIN.into()), Ok("small:-2147483648")),
        ("small", Type::Bigint, Cell::Bigint(i64::from(i32::MIN) - 1), Err("does not fit")),
        ("large", Type::Bigint, Cell::Bigint(-1), Err("does not fit")),
        ("large", Type::Numeric, numeric("18446744073709551615"), Ok("large:18446744073709551615")),
        ("large", Type::Numeric, numeric("18446744073709551616"), Err("does not fit")),
        ("large", Type::Numeric, numeric("7.000"), Ok("large:7")),
        ("large", Type::Numeric, numeric("7.5"), Err("round it")),
        ("single", Type::Numeric, numeric("0.25"), Ok("single:0.25")),
        ("text", Type::Numeric, numeric("0.10"), Ok("text:\"0.10\"")),
        ("text", Type::Jsonb, Cell::Jsonb("{}".to_owned()), Ok("text:\"{}\"")),
        ("genre", Type::Text, text("NOVEL"), Ok("genre:NOVEL")),
        ("genre", Type::Text, text("novel"), Err("`novel` is no value of library.v1.Genre")),
        ("time", Type::Timestamptz, Cell::Timestamptz(-1), Ok("time{seconds:-1,nanos:999999000}")),
        ("wrapped", Type::Bigint, Cell::Bigint(0), Ok("wrapped{}")),
        ("wrapped", Type::Bigint, Cell::Null, Ok("")),
        ("small", Type::Bigint, Cell::Null, Ok("")),
        (
            "row",
            Type::Jsonb,
            Cell::Jsonb(r#"{"small":1,"row":{"text":"x"}}"#.to_owned()),
            Ok("row{small:1,row{text:\"x\"}}"),
        ),
        ("row", Type::Jsonb, Cell::Jsonb("null".to_owned()), Ok("")),
        ("row", Type::Jsonb, Cell::Jsonb(r#"{"smal":1}"#.to_owned()), Err("smal")),
        ("row", Type::Jsonb, Cell::Jsonb("7".to_owned()), Err("column row: ")),
        ("list", Type::Jsonb, Cell::Jsonb("[1,\"2\"]".to_owned()), Ok("list:[1,2]")),
        ("list", Type::Jsonb, Cell::Jsonb("[1,\"x\"]".to_owned()), Err("column list: ")),
        ("map", Type::Jsonb, Cell::Jsonb("{\"a\":\"b\"}".to_owned()), Ok("map:[{key:\"a\",value:\"b\"}]")),
    ] {
        let got = set(field, ty, cell.clone());
        match (&got, expected) {
            (Ok(got), Ok(expected)) => assert_eq!(got, expected, "{field} from {cell:?}"),
            (Err(why), Err(part)) => {
                assert!(why.contains(part) && why.contains(field), "{field} from {cell:?}: {why}")
            }
            _ => panic!("{field} from {cell:?}: {got:?}, expected {expected:?}"),
        }
    }
}
