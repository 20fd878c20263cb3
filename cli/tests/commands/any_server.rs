//! A gRPC server of any services, answered by one function from JSON to JSON. Whatever can be learnt of them is
//! learnt by reflection.

use std::{future::Ready, pin::Pin, sync::Arc};

use axum::response::Response;
use prost::{Message as _, bytes::Buf as _};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{
    Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::MetadataMap,
    server::{Grpc, ServerStreamingService},
    service::Routes,
};

/// Gives the messages of a reply, or refuses.
pub(crate) type Answer = dyn Fn(&str, &MetadataMap, Value) -> Result<Vec<Value>, Status> + Send + Sync;

#[derive(Clone)]
struct AnyServer {
    pool: DescriptorPool,
    answer: Arc<Answer>,
}

/// Serves until the test ends.
pub(crate) async fn serve(
    listener: TcpListener,
    descriptors: &[&[u8]],
    services: &[&str],
    answer: Arc<Answer>,
) {
    let mut reflection = tonic_reflection::server::Builder::configure();
    let mut pool = DescriptorPool::new();
    for set in descriptors {
        reflection = reflection.register_encoded_file_descriptor_set(set);
        pool.decode_file_descriptor_set(*set).unwrap();
    }
    for service in services {
        reflection = reflection.with_service_name(*service);
    }
    let (_health, health) = tonic_health::server::health_reporter();
    let routes = Routes::new(reflection.build_v1().unwrap()).add_service(health);
    let server = AnyServer { pool, answer };
    let router = routes.into_axum_router().fallback(move |request| handle(server.clone(), request));
    tonic::transport::Server::builder()
        .add_routes(Routes::from(router))
        .serve_with_incoming(TcpListenerStream::new(listener))
        .await
        .unwrap();
}

async fn handle(server: AnyServer, request: axum::extract::Request) -> Response {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let method = path.split_once('/').and_then(|(service, method)| {
        server.pool.get_service_by_name(service)?.methods().find(|candidate| candidate.name() == method)
    });
    let Some(method) = method else {
        return Status::unimplemented(path).into_http::<tonic::body::Body>().map(axum::body::Body::new);
    };
    let codec = Dynamic(method.clone());
    let call = Call { path, method, answer: server.answer };
    Grpc::new(codec).server_streaming(call, request).await.map(axum::body::Body::new)
}

/// A unary reply is a stream of one.
struct Call {
    path: String,
    method: MethodDescriptor,
    answer: Arc<Answer>,
}

impl ServerStreamingService<DynamicMessage> for Call {
    type Response = DynamicMessage;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<DynamicMessage, Status>> + Send>>;
    type Future = Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<DynamicMessage>) -> Self::Future {
        let (metadata, _, message) = request.into_parts();
        let reply = (self.answer)(&self.path, &metadata, json(&message)).map(|replies| {
            let output = self.method.output();
            let messages: Vec<_> = replies.into_iter().map(|reply| Ok(message_of(&output, reply))).collect();
            let mut reply =
                tonic::Response::new(Box::pin(tokio_stream::iter(messages)) as Self::ResponseStream);
            let metadata = reply.metadata_mut();
            metadata.insert("tributary-position", "orders/e/1".parse().unwrap());
            metadata.insert("tributary-as-of", "query/9f/41;complete=1".parse().unwrap());
            reply
        });
        std::future::ready(reply)
    }
}

fn json(message: &DynamicMessage) -> Value {
    let options = SerializeOptions::new()
        .stringify_64_bit_integers(false)
        .use_proto_field_name(true)
        .skip_default_fields(false);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap()
}

fn message_of(descriptor: &MessageDescriptor, value: Value) -> DynamicMessage {
    DynamicMessage::deserialize(descriptor.clone(), value).unwrap()
}

struct Dynamic(MethodDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Plain;
    type Decoder = Plain;

    fn encoder(&mut self) -> Plain {
        Plain(self.0.output())
    }

    fn decoder(&mut self) -> Plain {
        Plain(self.0.input())
    }
}

struct Plain(MessageDescriptor);

impl Encoder for Plain {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Plain {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        DynamicMessage::decode(self.0.clone(), bytes)
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
