//! A check as the API has it, once it belongs there: it tells one receiver, by its URL, and has
//! no secrets. What cannot be said so stays declared.

use std::collections::BTreeSet;

use crate::model::check::CheckSpec;
use crate::model::name::Name;
use crate::model::webhook::{ReceiverUrl, WebhookSpec};

/// The spec of a released check, whose receivers are found by their names; or why there is none,
/// and what to do.
pub fn released<'a>(
    spec: &CheckSpec,
    webhook: impl Fn(&Name) -> Option<&'a WebhookSpec>,
) -> Result<CheckSpec, String> {
    if let Some(secret) = spec.secrets().next() {
        return Err(format!(
            "it sends {secret}, and what belongs to the API has no secrets: declare it without \
             that and apply, then release it"
        ));
    }
    let mut told: Vec<(String, &WebhookSpec)> = Vec::new();
    for name in &spec.receivers {
        let Some(found) = webhook(name) else {
            return Err(format!(
                "it tells webhook.{name}, which is not live: declare it with another receiver, \
                 or none, and apply, then release it"
            ));
        };
        told.push((format!("webhook.{name}"), found));
    }
    let own = spec.webhook.iter();
    told.extend(own.map(|webhook| ("its webhook_url".to_owned(), webhook)));
    let distinct: BTreeSet<&WebhookSpec> = told.iter().map(|(_, webhook)| *webhook).collect();
    if distinct.len() > 1 {
        let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
        return Err(format!(
            "it tells {} ({}), and a check of the API tells one: declare it with one of them and \
             apply, then release it",
            distinct.len(),
            names.join(", ")
        ));
    }
    if let Some((name, webhook)) = told.first()
        && let ReceiverUrl::Secret(secret) = &webhook.url
    {
        return Err(format!(
            "the URL of {name} is {secret}, and what belongs to the API has no secrets: declare \
             it with another receiver, or none, and apply, then release it"
        ));
    }
    if let Some((name, webhook)) = told.first()
        && let Some(more) = more_than_the_api(webhook)
    {
        return Err(format!(
            "{name} has {more}, and a receiver of the API has a URL and a format alone: declare \
             it with another receiver, or none, and apply, then release it"
        ));
    }
    Ok(CheckSpec {
        receivers: Vec::new(),
        // Those are not of its project any more.
        suppressed_by: Vec::new(),
        webhook: distinct.into_iter().next().cloned(),
        ..spec.clone()
    })
}

/// What a receiver has that would be lost.
fn more_than_the_api(webhook: &WebhookSpec) -> Option<&'static str> {
    let plain = WebhookSpec::new(webhook.url.clone(), webhook.format);
    [
        ("`secrets`", webhook.secrets != plain.secrets),
        ("`headers`", webhook.headers != plain.headers),
        ("a `fallback`", webhook.fallback != plain.fallback),
        ("a `timeout`", webhook.timeout != plain.timeout),
        ("`events`", webhook.events != plain.events),
        ("`collapse`", webhook.collapse != plain.collapse),
    ]
    .into_iter()
    .find_map(|(what, differs)| differs.then_some(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::SecretName;
    use crate::model::webhook::WebhookFormat;

    fn hook(url: ReceiverUrl) -> WebhookSpec {
        let format = WebhookFormat::Json;
        WebhookSpec::new(url, format)
    }

    fn plain() -> WebhookSpec {
        hook(ReceiverUrl::Url(
            "http://hook.example.com/".parse().unwrap(),
        ))
    }

    fn secret() -> SecretName {
        "pager".parse().unwrap()
    }

    fn of(change: impl FnOnce(&mut CheckSpec)) -> Result<CheckSpec, String> {
        let (open, hidden) = (plain(), hook(ReceiverUrl::Secret(secret())));
        let mut spec = CheckSpec::new("http://site.example.com/".parse().unwrap());
        change(&mut spec);
        released(&spec, |name| match name.as_str() {
            "oncall" => Some(&open),
            "pager" => Some(&hidden),
            _ => None,
        })
    }

    fn tells(names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn its_one_receiver_is_its_own_from_then_on() {
        let named = of(|spec| spec.receivers = tells(&["oncall"])).unwrap();
        assert_eq!((named.receivers, named.webhook), (vec![], Some(plain())));
        let twice = of(|spec| {
            spec.receivers = tells(&["oncall"]);
            spec.webhook = Some(plain());
        });
        assert_eq!(twice.unwrap().webhook, Some(plain()));
        assert_eq!(of(|_| ()).unwrap().webhook, None);
    }

    #[test]
    fn what_the_api_cannot_have_is_refused_with_what_to_do() {
        let several = of(|spec| spec.receivers = tells(&["oncall", "pager"]));
        insta::assert_snapshot!(several.unwrap_err(), @"it tells 2 (webhook.oncall, webhook.pager), and a check of the API tells one: declare it with one of them and apply, then release it");
        let hidden = of(|spec| spec.receivers = tells(&["pager"]));
        insta::assert_snapshot!(hidden.unwrap_err(), @r#"the URL of webhook.pager is secret("pager"), and what belongs to the API has no secrets: declare it with another receiver, or none, and apply, then release it"#);
        let lost = of(|spec| spec.receivers = tells(&["night"]));
        insta::assert_snapshot!(lost.unwrap_err(), @"it tells webhook.night, which is not live: declare it with another receiver, or none, and apply, then release it");
        let sends = of(|spec| spec.body = secret().into());
        insta::assert_snapshot!(sends.unwrap_err(), @r#"it sends secret("pager"), and what belongs to the API has no secrets: declare it without that and apply, then release it"#);
    }
}
