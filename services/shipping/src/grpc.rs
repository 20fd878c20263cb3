//! Shipments on the wire: what the messages mean, and nothing else.

use shop_proto::shipping::v1::{self as proto, ShipmentState, shipping_server};
use tonic::{Request, Response, Status};
use tributary_chassis::{
    outbox::{Call, Entity, Outbox, Published, Stored},
    resource, timestamp,
    validate::Violations,
};

use crate::{
    domain::{Command, Progress, SHIPMENT, Shipment, Shipping, check_dispatch},
    store::SHIPMENTS,
};

/// `shop.shipping.v1.Shipping`.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    outbox: Outbox<Shipping>,
}

impl Service {
    /// On top of the store.
    pub(crate) fn new(outbox: Outbox<Shipping>) -> Self {
        Self { outbox }
    }

    async fn write(&self, call: Call, command: Command) -> Result<Response<proto::Shipment>, Status> {
        let id = command.shipment_id().clone();
        let respond = move |states: &_| message(&id, resource::left(states, &id));
        Ok(Response::new(self.outbox.execute(call, command, respond).await?))
    }
}

#[tonic::async_trait]
impl shipping_server::Shipping for Service {
    async fn get_shipment(
        &self,
        request: Request<proto::GetShipmentRequest>,
    ) -> Result<Response<proto::Shipment>, Status> {
        let id = request.into_inner().shipment_id;
        let stored = SHIPMENT.find(&self.outbox, "shipment_id", &id).await?;
        Ok(Response::new(message(&id, &stored)))
    }

    async fn list_shipments(
        &self,
        request: Request<proto::ListShipmentsRequest>,
    ) -> Result<Response<proto::ListShipmentsResponse>, Status> {
        let proto::ListShipmentsRequest { page_size, page_token } = request.into_inner();
        let page = resource::page(&self.outbox, SHIPMENTS, page_size, &page_token, message).await?;
        Ok(Response::new(proto::ListShipmentsResponse {
            shipments: page.items,
            next_page_token: page.next_page_token,
        }))
    }

    async fn dispatch_shipment(
        &self,
        request: Request<proto::DispatchShipmentRequest>,
    ) -> Result<Response<proto::Shipment>, Status> {
        let request = request.into_inner();
        let call = Call::new("DispatchShipment", &request.request_id, &request)?;
        let proto::DispatchShipmentRequest { shipment_id, carrier, tracking_code, etag, .. } = request;
        let mut violations = Violations::new();
        violations.id("shipment_id", &shipment_id);
        check_dispatch(&carrier, &tracking_code, &mut violations);
        violations.finish()?;
        self.write(call, Command::Dispatch { shipment_id, etag, carrier, tracking_code }).await
    }

    async fn deliver_shipment(
        &self,
        request: Request<proto::DeliverShipmentRequest>,
    ) -> Result<Response<proto::Shipment>, Status> {
        let request = request.into_inner();
        let call = Call::new("DeliverShipment", &request.request_id, &request)?;
        let proto::DeliverShipmentRequest { shipment_id, etag, .. } = request;
        resource::check_id("shipment_id", &shipment_id)?;
        self.write(call, Command::Deliver { shipment_id, etag }).await
    }
}

impl Published for Shipping {
    const ENTITIES: &'static [&'static str] = &[SHIPMENTS];

    fn publish(id: &String, stored: Option<&Stored<Shipment>>) -> Option<Entity> {
        let key_alone = || proto::Shipment { shipment_id: id.clone(), ..Default::default() };
        let shipment = stored.map_or_else(key_alone, |stored| message(id, stored));
        Some(resource::entity(SHIPMENTS, id, &shipment))
    }
}

fn message(id: &str, stored: &Stored<Shipment>) -> proto::Shipment {
    let Shipment { customer_id, progress } = stored.state.clone();
    let (state, dispatch, deliver_time) = match progress {
        Progress::Pending => (ShipmentState::Pending, None, None),
        Progress::Dispatched(dispatch) => (ShipmentState::Dispatched, Some(dispatch), None),
        Progress::Delivered { dispatch, deliver_time } => {
            (ShipmentState::Delivered, Some(dispatch), Some(deliver_time))
        }
        Progress::Cancelled => (ShipmentState::Cancelled, None, None),
    };
    let dispatch_time = dispatch.as_ref().map(|dispatch| timestamp::to_proto(dispatch.dispatch_time));
    let (carrier, tracking_code) =
        dispatch.map(|dispatch| (dispatch.carrier, dispatch.tracking_code)).unwrap_or_default();
    proto::Shipment {
        shipment_id: id.to_owned(),
        // One for each order.
        order_id: id.to_owned(),
        customer_id,
        state: state.into(),
        carrier,
        tracking_code,
        dispatch_time,
        deliver_time: deliver_time.map(timestamp::to_proto),
        create_time: Some(timestamp::to_proto(stored.create_time)),
        update_time: Some(timestamp::to_proto(stored.update_time)),
        etag: stored.etag(),
    }
}
