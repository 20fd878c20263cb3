//! Commands that say the word wherever a caller may write what they like.

use mesh_tests::clients::{Clients, place_order};
use prost_types::FieldMask;
use shop_proto::{
    catalog::v1::{CreateProductRequest, Product},
    customers::v1::{
        CreateCustomerRequest, Customer, DeleteCustomerRequest, GetCustomerRequest, ListCustomersRequest,
        UpdateCustomerRequest,
    },
    inventory::v1::{AdjustStockRequest, CreateStockItemRequest},
    money::v1::Money,
    orders::v1::{CancelOrderRequest, OrderState, PlaceOrderRequest},
    payments::v1::AuthorizeRequest,
    shipping::v1::{DeliverShipmentRequest, DispatchShipmentRequest},
};
use tonic::Code;

use super::{canary, refused, told};

fn money(currency: &str) -> Option<Money> {
    Some(Money { currency_code: currency.to_owned(), minor_units: 100 })
}

fn customer(id: &str) -> CreateCustomerRequest {
    CreateCustomerRequest {
        request_id: canary("create-customer"),
        customer_id: id.to_owned(),
        customer: Some(Customer {
            display_name: canary("name"),
            email: format!("{}@example.org", canary("email")),
            region: canary("region"),
            segment: canary("segment"),
            ..Customer::default()
        }),
    }
}

fn product(sku: &str, currency: &str) -> CreateProductRequest {
    CreateProductRequest {
        request_id: canary("create-product"),
        sku: sku.to_owned(),
        product: Some(Product {
            display_name: canary("product"),
            category: canary("category"),
            price: money(currency),
            ..Product::default()
        }),
    }
}

fn order(id: &str, token: &str) -> PlaceOrderRequest {
    PlaceOrderRequest {
        note: canary("note"),
        payment_token: token.to_owned(),
        ..place_order(&canary(&format!("place-{id}")), id, "ada", &[("saw", 1)])
    }
}

/// An order that is delivered, one that is declined, and one that is cancelled.
pub(crate) async fn succeed(clients: &Clients) {
    let mut all = clients.clone();
    all.customers.create_customer(told(customer("ada"))).await.unwrap();
    all.catalog.create_product(told(product("saw", "EUR"))).await.unwrap();
    let request_id = canary("create-stock");
    let request = CreateStockItemRequest { request_id, sku: "saw".to_owned(), on_hand: 10 };
    all.inventory.create_stock_item(told(request)).await.unwrap();
    let request = AdjustStockRequest {
        request_id: canary("adjust"),
        sku: "saw".to_owned(),
        delta: -1,
        reason: canary("adjust-reason"),
        ..AdjustStockRequest::default()
    };
    all.inventory.adjust_stock(told(request)).await.unwrap();
    for (id, token, state) in [
        ("o-1", "tok_ok", OrderState::Confirmed),
        ("o-2", "tok_declined", OrderState::Cancelled),
        ("o-3", "", OrderState::Confirmed),
        ("o-4", &canary("token"), OrderState::Cancelled),
    ] {
        all.orders.place_order(told(order(id, token))).await.unwrap();
        assert_eq!(all.settled(id).await.into_inner().state(), state);
    }
    let request = CancelOrderRequest {
        request_id: canary("cancel"),
        order_id: "o-3".to_owned(),
        reason: canary("cancel-reason"),
        ..CancelOrderRequest::default()
    };
    all.orders.cancel_order(told(request)).await.unwrap();
    clients.wait_at_rest().await;
    let request = DispatchShipmentRequest {
        request_id: canary("dispatch"),
        shipment_id: "o-1".to_owned(),
        carrier: canary("carrier"),
        tracking_code: canary("tracking"),
        ..DispatchShipmentRequest::default()
    };
    all.shipping.dispatch_shipment(told(request)).await.unwrap();
    let request_id = canary("deliver");
    let request = DeliverShipmentRequest { request_id, shipment_id: "o-1".to_owned(), ..Default::default() };
    all.shipping.deliver_shipment(told(request)).await.unwrap();
}

/// Values that are wrong, unknown, in the way of others, or not what they were.
pub(crate) async fn fail(clients: &Clients) {
    let mut all = clients.clone();
    // Another request under the same id, and another customer under the same id.
    let again = CreateCustomerRequest { customer_id: "bob".to_owned(), ..customer("ada") };
    refused(all.customers.create_customer(told(again)).await, Code::InvalidArgument);
    let taken = CreateCustomerRequest { request_id: canary("taken"), ..customer("ada") };
    refused(all.customers.create_customer(told(taken)).await, Code::AlreadyExists);
    let bad_id = CreateCustomerRequest { request_id: canary("bad-id"), ..customer("kingfisher !") };
    refused(all.customers.create_customer(told(bad_id)).await, Code::InvalidArgument);
    let request = UpdateCustomerRequest {
        request_id: canary("update"),
        customer: Some(Customer { customer_id: "ada".to_owned(), ..Customer::default() }),
        update_mask: Some(FieldMask { paths: vec![canary("path")] }),
    };
    refused(all.customers.update_customer(told(request)).await, Code::InvalidArgument);
    let request = DeleteCustomerRequest {
        request_id: canary("delete"),
        customer_id: "ada".to_owned(),
        etag: canary("etag"),
    };
    refused(all.customers.delete_customer(told(request)).await, Code::Aborted);
    let request = ListCustomersRequest { page_token: canary("page-token"), ..Default::default() };
    refused(all.customers.list_customers(told(request)).await, Code::InvalidArgument);
    let request = GetCustomerRequest { customer_id: canary("unknown") };
    refused(all.customers.get_customer(told(request)).await, Code::NotFound);
    let bad = CreateProductRequest { request_id: canary("currency"), ..product("axe", &canary("currency")) };
    refused(all.catalog.create_product(told(bad)).await, Code::InvalidArgument);
    fail_to_order(&mut all).await;
}

async fn fail_to_order(all: &mut Clients) {
    refused(all.orders.place_order(told(order("o-7", "4111 kingfisher"))).await, Code::InvalidArgument);
    let stranger = PlaceOrderRequest { customer_id: canary("stranger"), ..order("o-5", "tok_ok") };
    refused(all.orders.place_order(told(stranger)).await, Code::FailedPrecondition);
    let unknown = place_order(&canary("unknown-goods"), "o-6", "ada", &[(&canary("goods"), 1)]);
    refused(all.orders.place_order(told(unknown)).await, Code::FailedPrecondition);
    let request = CancelOrderRequest {
        request_id: canary("cancel-again"),
        order_id: "o-1".to_owned(),
        reason: canary("too-late"),
        etag: canary("order-etag"),
    };
    refused(all.orders.cancel_order(told(request)).await, Code::Aborted);
    let request = AuthorizeRequest {
        request_id: canary("authorize"),
        payment_id: "p-1".to_owned(),
        order_id: "o-1".to_owned(),
        customer_id: "ada".to_owned(),
        amount: money("EUR"),
        token: format!("{} 4111", canary("card")),
    };
    refused(all.payments.authorize(told(request)).await, Code::InvalidArgument);
    let request = AdjustStockRequest {
        request_id: canary("adjust-too-much"),
        sku: "saw".to_owned(),
        delta: -1_000,
        reason: canary("too-much"),
        ..AdjustStockRequest::default()
    };
    refused(all.inventory.adjust_stock(told(request)).await, Code::FailedPrecondition);
}
