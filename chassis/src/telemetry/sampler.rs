//! Which traces are kept.

use std::env;

use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt as _, TraceId},
};
use opentelemetry_sdk::trace::{Config, Sampler, SamplingDecision, SamplingResult, ShouldSample};

use crate::run::StartError;

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
const KNOWN: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// As the standard variables say, by default with the parent and else all; what works on several commands at once
/// is kept with any of them. The libraries would take a wrong value for the default.
pub(super) fn exported() -> Result<WithLinks, StartError> {
    let sampler = env::var(SAMPLER).unwrap_or_default();
    check(&sampler, env::var(ARGUMENT).ok().as_deref())?;
    Ok(WithLinks(Config::default().sampler))
}

/// Where nothing leaves the process: contexts go on, and nothing is recorded but what a caller wants.
pub(super) fn passed_on() -> WithLinks {
    WithLinks(Box::new(Sampler::ParentBased(Box::new(Sampler::AlwaysOff))))
}

fn check(sampler: &str, argument: Option<&str>) -> Result<(), StartError> {
    if sampler.is_empty() {
        return Ok(());
    }
    if !KNOWN.contains(&sampler) {
        return Err(StartError::usage(SAMPLER, sampler, format!("give one of {}", KNOWN.join(", "))));
    }
    let ratio = argument.and_then(|text| text.parse::<f64>().ok());
    if sampler.ends_with("traceidratio") && !ratio.is_some_and(|ratio| (0.0..=1.0).contains(&ratio)) {
        let why = format!("give the share of traces that {sampler} keeps, from 0 to 1");
        return Err(StartError::usage(ARGUMENT, argument.unwrap_or_default(), why));
    }
    Ok(())
}

/// A span without a parent is sampled if one that it is linked to is: who looks at the trace of a command also finds
/// the batch that it was part of.
#[derive(Clone, Debug)]
pub(super) struct WithLinks(Box<dyn ShouldSample>);

impl ShouldSample for WithLinks {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let mut result = self.0.should_sample(parent, trace_id, name, kind, attributes, links);
        let is_root = parent.is_none_or(|parent| !parent.span().span_context().is_valid());
        if is_root && links.iter().any(|link| link.span_context.is_sampled()) {
            result.decision = SamplingDecision::RecordAndSample;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceState};

    use super::*;

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (sampler, argument) in [
            ("", None),
            ("always_off", None),
            ("traceidratio", Some("0.01")),
            ("parentbased_traceidratio", Some("1")),
        ] {
            assert!(check(sampler, argument).is_ok(), "{sampler} {argument:?}");
        }
        for (sampler, argument, named) in [
            ("sometimes", None, "parentbased_traceidratio"),
            ("traceidratio", None, ARGUMENT),
            ("parentbased_traceidratio", Some("1%"), "from 0 to 1"),
            ("parentbased_traceidratio", Some("1.5"), "1.5"),
        ] {
            let error = check(sampler, argument).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn a_batch_is_kept_with_what_it_works_on() {
        let span =
            |flags| SpanContext::new(TraceId::from(7), SpanId::from(9), flags, true, TraceState::default());
        let (kept, dropped) = (span(TraceFlags::SAMPLED), span(TraceFlags::default()));
        let decision = |parent: Option<&SpanContext>, link: &SpanContext| {
            let parent = parent.map(|parent| Context::new().with_remote_span_context(parent.clone()));
            let links = [Link::with_context(link.clone())];
            passed_on()
                .should_sample(parent.as_ref(), TraceId::from(1), "", &SpanKind::Internal, &[], &links)
                .decision
        };
        assert_eq!(decision(None, &kept), SamplingDecision::RecordAndSample);
        assert_eq!(decision(None, &dropped), SamplingDecision::Drop);
        assert_eq!(decision(Some(&dropped), &kept), SamplingDecision::Drop);
        assert_eq!(decision(Some(&kept), &dropped), SamplingDecision::RecordAndSample);
    }
}
