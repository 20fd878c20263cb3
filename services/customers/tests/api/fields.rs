//! Every field at its limits and beyond them.

use prost::Message as _;
use prost_types::FieldMask;
use tributary_chassis::testing::check_fields;

use super::*;

/// Fields that must be refused; none when the call must succeed.
type Fields = &'static [&'static str];

/// What makes a case of a valid request.
type Edit<T> = fn(&mut T);

fn edit(customer: &mut Option<Customer>) -> &mut Customer {
    customer.get_or_insert_default()
}

#[tokio::test]
async fn of_create() {
    let service = Service::start().await;
    let cases: Vec<(Edit<CreateCustomerRequest>, Fields)> = vec![
        (|_| (), &[]),
        (|r| r.request_id = "r".repeat(64), &[]),
        (|r| r.request_id = "r".repeat(65), &["request_id"]),
        (|r| r.request_id = "a b".to_owned(), &["request_id"]),
        (|r| r.customer_id = "c".repeat(64), &[]),
        (|r| r.customer_id = "c".repeat(65), &["customer_id"]),
        (|r| r.customer_id = "A.b_c-9".to_owned(), &[]),
        (|r| r.customer_id = "a/b".to_owned(), &["customer_id"]),
        (|r| r.customer_id = "ü".to_owned(), &["customer_id"]),
        (|r| r.customer = None, &["customer.display_name", "customer.region"]),
        (|r| edit(&mut r.customer).customer_id = "x".to_owned(), &["customer.customer_id"]),
        (|r| edit(&mut r.customer).display_name = "ü".repeat(200), &[]),
        (|r| edit(&mut r.customer).display_name = "ü".repeat(201), &["customer.display_name"]),
        (|r| edit(&mut r.customer).display_name = String::new(), &["customer.display_name"]),
        (|r| edit(&mut r.customer).email = format!("{}@b", "a".repeat(252)), &[]),
        (|r| edit(&mut r.customer).email = format!("{}@b", "a".repeat(253)), &["customer.email"]),
        (|r| edit(&mut r.customer).email = "ada".to_owned(), &["customer.email"]),
        (|r| edit(&mut r.customer).email = "a@b@c".to_owned(), &["customer.email"]),
        (|r| edit(&mut r.customer).email = String::new(), &[]),
        (|r| edit(&mut r.customer).region = "R".repeat(64), &[]),
        (|r| edit(&mut r.customer).region = "R".repeat(65), &["customer.region"]),
        (|r| edit(&mut r.customer).region = String::new(), &["customer.region"]),
        (|r| edit(&mut r.customer).segment = "S".repeat(64), &[]),
        (|r| edit(&mut r.customer).segment = "S".repeat(65), &["customer.segment"]),
        (|r| edit(&mut r.customer).segment = String::new(), &[]),
        (
            |r| {
                r.customer_id = "?".to_owned();
                r.customer = Some(Customer { email: "x".to_owned(), region: "R".repeat(65), ..ada() });
            },
            &["customer_id", "customer.email", "customer.region"],
        ),
    ];
    for (i, (set, expected)) in cases.into_iter().enumerate() {
        let mut request = create("");
        set(&mut request);
        check_fields(i, service.client().create_customer(request).await, expected);
    }
    let mut same = create("same");
    edit(&mut same.customer).customer_id = "same".to_owned();
    service.client().create_customer(same).await.unwrap();
}

#[tokio::test]
async fn of_update() {
    let service = Service::start().await;
    service.client().create_customer(create("ada")).await.unwrap();
    let mask = |path: &str| Some(FieldMask { paths: vec![path.to_owned()] });
    let cases: Vec<(Edit<UpdateCustomerRequest>, &str, Fields)> = vec![
        (|_| (), "*", &[]),
        (|r| r.request_id = "r".repeat(65), "*", &["request_id"]),
        (|r| r.customer = None, "region", &["customer.customer_id", "customer.region"]),
        (|r| edit(&mut r.customer).customer_id = String::new(), "*", &["customer.customer_id"]),
        (|r| edit(&mut r.customer).customer_id = "c".repeat(65), "*", &["customer.customer_id"]),
        (|r| edit(&mut r.customer).display_name = String::new(), "*", &["customer.display_name"]),
        (
            |r| edit(&mut r.customer).display_name = "x".repeat(201),
            "display_name",
            &["customer.display_name"],
        ),
        // What the mask does not name is not looked at.
        (|r| edit(&mut r.customer).display_name = "x".repeat(201), "region", &[]),
        (|r| edit(&mut r.customer).region = "R".repeat(64), "region", &[]),
        (|r| edit(&mut r.customer).region = "R".repeat(65), "region", &["customer.region"]),
        (|r| edit(&mut r.customer).email = "x".to_owned(), "email", &["customer.email"]),
        (|r| edit(&mut r.customer).segment = "S".repeat(65), "segment", &["customer.segment"]),
        (|_| (), "nonsense", &["update_mask"]),
        (|_| (), "customer_id", &["update_mask"]),
        (|_| (), "create_time", &["update_mask"]),
        (|_| (), "etag", &["update_mask"]),
    ];
    for (i, (set, path, expected)) in cases.into_iter().enumerate() {
        let mut request = UpdateCustomerRequest { update_mask: mask(path), ..update("ada", ada()) };
        set(&mut request);
        check_fields(i, service.client().update_customer(request).await, expected);
    }
    let request = UpdateCustomerRequest { update_mask: mask("name"), ..update("ada", ada()) };
    let message = service.client().update_customer(request).await.unwrap_err().message().to_owned();
    assert!(message.contains("display_name, email, region, segment"), "says what can be written: {message}");
}

#[tokio::test]
async fn of_get_and_delete() {
    let service = Service::start().await;
    for (i, id) in ["", "a b", &"c".repeat(65)].into_iter().enumerate() {
        check_fields(i, service.get(id).await, &["customer_id"]);
        check_fields(i, service.delete("", id, "").await, &["customer_id"]);
    }
    let longest = "c".repeat(64);
    assert_eq!(service.get(&longest).await.unwrap_err().code(), Code::NotFound);
    check_fields(0, service.delete("?", "ada", "").await, &["request_id"]);
}

#[tokio::test]
async fn a_request_has_at_most_1_mib() {
    let service = Service::start().await;
    let of_size = |size: usize| {
        let mut request = create("");
        let name = |length| "x".repeat(length);
        edit(&mut request.customer).display_name = name(size - 100);
        let rest = size - request.encoded_len();
        edit(&mut request.customer).display_name = name(size - 100 + rest);
        assert_eq!(request.encoded_len(), size);
        request
    };
    // Looked at, and found to have too long a name.
    check_fields(0, service.client().create_customer(of_size(1 << 20)).await, &["customer.display_name"]);
    let status = service.client().create_customer(of_size((1 << 20) + 1)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("1048576"), "says the limit: {status}");
}

#[tokio::test]
async fn an_update_writes_what_its_mask_names() {
    let service = Service::start().await;
    service.client().create_customer(create("ada")).await.unwrap();
    let other = Customer { display_name: "Bea".to_owned(), region: "ASIA".to_owned(), ..Customer::default() };
    let masked = async |paths: &[&str]| {
        let update_mask = Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
        let request = UpdateCustomerRequest { update_mask, ..update("ada", other.clone()) };
        let Customer { display_name, email, region, segment, .. } =
            service.client().update_customer(request).await.unwrap().into_inner();
        [display_name, email, region, segment]
    };
    assert_eq!(masked(&["region", "segment"]).await, ["Ada", "ada@example.com", "ASIA", ""]);
    assert_eq!(masked(&["*"]).await, ["Bea", "", "ASIA", ""]);
}

#[tokio::test]
async fn texts_come_back_as_they_were() {
    let service = Service::start().await;
    let awkward = r#"'; DROP TABLE customers; -- "quoted" \u0041 {} %s 😀 é ﷽ \\ \"#;
    let customer =
        Customer { display_name: awkward.to_owned(), segment: "\u{2028}\u{feff}x".to_owned(), ..ada() };
    let created = service.create("", "ada", customer.clone()).await.unwrap().into_inner();
    assert_eq!((created.display_name, created.segment), (customer.display_name, customer.segment));
    let read = service.get("ada").await.unwrap().into_inner();
    assert_eq!((read.display_name.as_str(), read.segment.as_str()), (awkward, "\u{2028}\u{feff}x"));
}
