//! Customers on the wire: what the messages mean, and nothing else.

use shop_proto::customers::v1::{self as proto, customers_server};
use tonic::{Request, Response, Status};
use tributary_chassis::{
    outbox::{Call, Entity, Outbox, Published, Stored},
    resource::{self, Changes as _, UpdateMask},
    timestamp,
    validate::Violations,
};

use crate::{
    domain::{CUSTOMER, Changes, Command, Customer, Customers, WRITABLE},
    store::CUSTOMERS,
};

/// `shop.customers.v1.Customers`.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    outbox: Outbox<Customers>,
}

impl Service {
    /// On top of the store.
    pub(crate) fn new(outbox: Outbox<Customers>) -> Self {
        Self { outbox }
    }

    async fn write(&self, call: Call, command: Command) -> Result<Response<proto::Customer>, Status> {
        let id = command.id().clone();
        let respond = move |states: &_| message(&id, resource::left(states, &id));
        Ok(Response::new(self.outbox.execute(call, command, respond).await?))
    }
}

#[tonic::async_trait]
impl customers_server::Customers for Service {
    async fn create_customer(
        &self,
        request: Request<proto::CreateCustomerRequest>,
    ) -> Result<Response<proto::Customer>, Status> {
        let request = request.into_inner();
        let call = Call::new("CreateCustomer", &request.request_id, &request)?;
        let customer = request.customer.unwrap_or_default();
        let mut violations = Violations::new();
        violations.optional_id("customer_id", &request.customer_id);
        violations.check(
            customer.customer_id.is_empty() || customer.customer_id == request.customer_id,
            "customer.customer_id",
            "must be empty, or the same as customer_id",
        );
        let all = changes(customer, &UpdateMask::all(&WRITABLE));
        all.check(&mut violations);
        violations.finish()?;
        let id = resource::id_or_new(request.customer_id);
        self.write(call, Command::Create { id, state: all.apply(Customer::default()) }).await
    }

    async fn get_customer(
        &self,
        request: Request<proto::GetCustomerRequest>,
    ) -> Result<Response<proto::Customer>, Status> {
        let id = request.into_inner().customer_id;
        let stored = CUSTOMER.find(&self.outbox, "customer_id", &id).await?;
        Ok(Response::new(message(&id, &stored)))
    }

    async fn list_customers(
        &self,
        request: Request<proto::ListCustomersRequest>,
    ) -> Result<Response<proto::ListCustomersResponse>, Status> {
        let proto::ListCustomersRequest { page_size, page_token } = request.into_inner();
        let page = resource::page(&self.outbox, CUSTOMERS, page_size, &page_token, message).await?;
        Ok(Response::new(proto::ListCustomersResponse {
            customers: page.items,
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_customer(
        &self,
        request: Request<proto::UpdateCustomerRequest>,
    ) -> Result<Response<proto::Customer>, Status> {
        let request = request.into_inner();
        let call = Call::new("UpdateCustomer", &request.request_id, &request)?;
        let mut customer = request.customer.unwrap_or_default();
        let (customer_id, etag) =
            (std::mem::take(&mut customer.customer_id), std::mem::take(&mut customer.etag));
        let mut violations = Violations::new();
        violations.id("customer.customer_id", &customer_id);
        let mask = violations.take(UpdateMask::read(request.update_mask.as_ref(), &WRITABLE));
        let changes = mask.map(|mask| changes(customer, &mask)).unwrap_or_default();
        changes.check(&mut violations);
        violations.finish()?;
        self.write(call, Command::Update { id: customer_id, etag, changes }).await
    }

    async fn delete_customer(
        &self,
        request: Request<proto::DeleteCustomerRequest>,
    ) -> Result<Response<()>, Status> {
        let request = request.into_inner();
        let call = Call::new("DeleteCustomer", &request.request_id, &request)?;
        resource::check_id("customer_id", &request.customer_id)?;
        let command = Command::Delete { id: request.customer_id, etag: request.etag };
        Ok(Response::new(self.outbox.execute(call, command, |_| ()).await?))
    }
}

impl Published for Customers {
    const ENTITIES: &'static [&'static str] = &[CUSTOMERS];

    fn publish(customer_id: &String, stored: Option<&Stored<Customer>>) -> Option<Entity> {
        let key_alone = || proto::Customer { customer_id: customer_id.clone(), ..Default::default() };
        let customer = stored.map_or_else(key_alone, |stored| message(customer_id, stored));
        Some(resource::entity(CUSTOMERS, customer_id, &customer))
    }
}

fn message(customer_id: &str, stored: &Stored<Customer>) -> proto::Customer {
    let Customer { display_name, email, region, segment } = stored.state.clone();
    proto::Customer {
        customer_id: customer_id.to_owned(),
        display_name,
        email,
        region,
        segment,
        create_time: Some(timestamp::to_proto(stored.create_time)),
        update_time: Some(timestamp::to_proto(stored.update_time)),
        etag: stored.etag(),
    }
}

fn changes(customer: proto::Customer, mask: &UpdateMask) -> Changes {
    Changes {
        display_name: mask.pick("display_name", customer.display_name),
        email: mask.pick("email", customer.email),
        region: mask.pick("region", customer.region),
        segment: mask.pick("segment", customer.segment),
    }
}
