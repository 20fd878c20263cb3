//! Calls of methods that are known by their descriptor alone, with JSON on this side.

use std::io;

use prost::{
    Message as _,
    bytes::{Buf as _, BufMut as _},
};
use prost_reflect::{
    DeserializeOptions, DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions,
};
use serde_json::{Map, Value};
use tonic::{
    Request, Response, Status, Streaming,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
    transport::Channel,
};

use crate::failure::Failure;

/// The largest message that is taken: twice what the gateway sends at most.
const LARGEST: usize = 16 << 20;

/// Sends the messages and gives the stream of replies, which for a unary method is one.
pub(crate) async fn call(
    channel: Channel,
    method: &MethodDescriptor,
    request: Request<Vec<DynamicMessage>>,
) -> Result<Response<Streaming<DynamicMessage>>, Status> {
    let mut client = tonic::client::Grpc::new(channel).max_decoding_message_size(LARGEST);
    client.ready().await.map_err(|error| Status::from_error(error.into()))?;
    client.streaming(request.map(tokio_stream::iter), path(method)?, DynamicCodec(method.output())).await
}

/// The messages of a method, from one JSON document each. A method that takes one message gets an empty
/// one for an empty text.
pub(crate) fn messages(method: &MethodDescriptor, json: &str) -> Result<Vec<DynamicMessage>, Failure> {
    let input = method.input();
    let mut documents = serde_json::Deserializer::from_str(json);
    let mut messages = Vec::new();
    while documents.end().is_err() {
        let message = DynamicMessage::deserialize_with_options(
            input.clone(),
            &mut documents,
            &DeserializeOptions::new(),
        )
        .map_err(|error| Failure::usage(misfit(&input, &error)))?;
        messages.push(message);
    }
    if method.is_client_streaming() {
        return Ok(messages);
    }
    match messages.len() {
        0 => Ok(vec![DynamicMessage::new(input)]),
        1 => Ok(messages),
        n => Err(Failure::usage(format!("{} takes one message, not {n}", method.name()))),
    }
}

/// The message of a method from fields that this program has put together.
pub(crate) fn message(
    method: &MethodDescriptor,
    fields: Map<String, Value>,
) -> Result<DynamicMessage, Failure> {
    let input = method.input();
    DynamicMessage::deserialize(input.clone(), Value::Object(fields))
        .map_err(|error| Failure::failed(format!("{}: {}", method.full_name(), misfit(&input, &error))))
}

/// What is wrong with the JSON, and what would be right.
fn misfit(input: &MessageDescriptor, error: &serde_json::Error) -> String {
    let fields: Vec<_> = input.fields().map(|field| field.name().to_owned()).collect();
    let listed = if fields.is_empty() { "none".to_owned() } else { fields.join(", ") };
    format!("the request does not fit: {error}\n  fields of {}: {listed}", input.full_name())
}

/// How a message is written as JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Over several lines, for people.
    pub(crate) pretty: bool,
    /// Also the fields that have their default value.
    pub(crate) defaults: bool,
}

/// One message as proto3 JSON, with a line end.
pub(crate) fn write_json(
    out: &mut impl io::Write,
    message: &DynamicMessage,
    layout: Layout,
) -> io::Result<()> {
    let options = SerializeOptions::new().skip_default_fields(!layout.defaults);
    if layout.pretty {
        message.serialize_with_options(&mut serde_json::Serializer::pretty(&mut *out), &options)?;
    } else {
        message.serialize_with_options(&mut serde_json::Serializer::new(&mut *out), &options)?;
    }
    out.write_all(b"\n")
}

/// `/package.Service/Method`.
fn path(method: &MethodDescriptor) -> Result<PathAndQuery, Status> {
    PathAndQuery::try_from(format!("/{}/{}", method.parent_service().full_name(), method.name()))
        .map_err(|error| Status::internal(format!("{} is no path: {error}", method.full_name())))
}

/// Encodes what is sent as it is; decodes by the descriptor of the reply.
#[derive(Clone, Debug)]
struct DynamicCodec(MessageDescriptor);

impl Codec for DynamicCodec {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, message: DynamicMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.encoded_len());
        buffer.put_slice(&message.encode_to_vec());
        Ok(())
    }
}

impl Decoder for DynamicCodec {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        DynamicMessage::decode(self.0.clone(), bytes)
            .map(Some)
            .map_err(|error| Status::internal(format!("the reply is no {}: {error}", self.0.full_name())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_reflect::DescriptorPool;

    fn method(name: &str) -> MethodDescriptor {
        let pool = DescriptorPool::decode(tributary_proto::FILE_DESCRIPTOR_SET).unwrap();
        let service = pool.get_service_by_name("tributary.query.v1.QueryGateway").unwrap();
        service.methods().find(|method| method.name() == name).unwrap()
    }

    fn written(message: &DynamicMessage, pretty: bool) -> String {
        let mut out = Vec::new();
        write_json(&mut out, message, Layout { pretty, defaults: false }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_goes_in_and_comes_out() {
        let messages = messages(&method("Query"), r#"{"sql":"SELECT 1","max_rows":5}"#).unwrap();
        assert_eq!(written(&messages[0], false), "{\"sql\":\"SELECT 1\",\"maxRows\":5}\n");
        assert_eq!(written(&messages[0], true), "{\n  \"sql\": \"SELECT 1\",\n  \"maxRows\": 5\n}\n");
    }

    #[test]
    fn no_text_is_an_empty_message() {
        assert_eq!(written(&messages(&method("GetStatus"), " \n").unwrap()[0], false), "{}\n");
    }

    #[test]
    fn an_unknown_field_is_refused_with_those_that_are_known() {
        let failure = format!("{:?}", messages(&method("Query"), r#"{"sqll":""}"#).unwrap_err());
        assert!(failure.contains("sqll") && failure.contains("sql, max_rows"), "{failure}");
    }

    #[test]
    fn one_message_means_one() {
        assert!(messages(&method("Query"), "{} {}").is_err());
        assert!(messages(&method("Query"), "{").is_err());
    }
}
