//! What requests call a function: a name, an ARN, or a part of one, perhaps with a qualifier (API
//! reference, "Invoke": `FunctionName`).

use crate::control::management::call::{Call, Realm};
use crate::control::management::error::{ApiError, Code};

/// A function as a request names it.
#[derive(Debug, Eq, PartialEq)]
struct Named<'n> {
    name: &'n str,
    qualifier: Option<&'n str>,
    region: Option<&'n str>,
    account_id: Option<&'n str>,
}

/// The ARN of a function.
pub(super) fn arn(realm: &Realm, name: &str, qualifier: Option<&str>) -> String {
    let Realm { region, account_id } = realm;
    let qualifier = qualifier.map(|one| format!(":{one}")).unwrap_or_default();
    format!("arn:aws:lambda:{region}:{account_id}:function:{name}{qualifier}")
}

/// There is no such function, version or alias.
pub(super) fn not_found(realm: &Realm, name: &str, qualifier: Option<&str>) -> ApiError {
    let arn = arn(realm, name, qualifier);
    ApiError::new(Code::ResourceNotFound, format!("Function not found: {arn}"))
}

/// Brings the name in the path of a request down to the function's own; a qualifier behind it
/// becomes the one of the query.
pub(in crate::control::management) fn settle_name(call: &mut Call) -> Result<(), ApiError> {
    let Some((_, given)) = call.values.iter_mut().find(|(name, _)| *name == "FunctionName") else {
        return Ok(());
    };
    let (name, qualifier) = own_name(&call.realm, given)?;
    *given = name;
    let Some(qualifier) = qualifier else { return Ok(()) };
    let of_query = call.query.entry("Qualifier".to_owned()).or_default();
    match of_query.first() {
        Some(other) if *other != qualifier => Err(ApiError::invalid_parameter(
            "The derived qualifier from the function name does not match the specified qualifier.",
        )),
        Some(_) => Ok(()),
        None => {
            of_query.push(qualifier);
            Ok(())
        }
    }
}

/// The name and the qualifier in `given`, which is of this region and account if it says one.
pub(super) fn own_name(realm: &Realm, given: &str) -> Result<(String, Option<String>), ApiError> {
    let named = parse(given);
    let is_elsewhere = named.region.is_some_and(|region| region != realm.region)
        || named.account_id.is_some_and(|account| account != realm.account_id);
    if is_elsewhere {
        let message = format!("Function not found: {given}");
        return Err(ApiError::new(Code::ResourceNotFound, message));
    }
    Ok((named.name.to_owned(), named.qualifier.map(str::to_owned)))
}

fn parse(text: &str) -> Named<'_> {
    let parts: Vec<&str> = text.split(':').collect();
    let marker = parts.iter().position(|part| *part == "function");
    let (at, before) = match marker.filter(|at| at + 1 < parts.len()) {
        Some(at) => (at + 1, &parts[..at]),
        None => (0, &parts[..0]),
    };
    let is_account = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let account_id = before.last().copied().filter(|part| !part.is_empty() && is_account(part));
    let before = &before[..before.len() - usize::from(account_id.is_some())];
    // `lambda` stands before the region of an ARN, and alone where there is none.
    let region = before.last().copied().filter(|part| !matches!(*part, "" | "lambda" | "arn"));
    Named { name: parts[at], qualifier: parts.get(at + 1).copied(), region, account_id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_name_is_read() {
        let (region, account) = (Some("eu-west-1"), Some("111111111111"));
        for (text, name, qualifier, place) in [
            ("f", "f", None, (None, None)),
            ("f:live", "f", Some("live"), (None, None)),
            ("function", "function", None, (None, None)),
            ("function:f", "f", None, (None, None)),
            ("111111111111:function:f", "f", None, (None, account)),
            ("eu-west-1:111111111111:function:f:1", "f", Some("1"), (region, account)),
            ("arn:aws:lambda:eu-west-1:111111111111:function:f", "f", None, (region, account)),
            (
                "arn:aws:lambda:eu-west-1:111111111111:function:f:$LATEST",
                "f",
                Some("$LATEST"),
                (region, account),
            ),
        ] {
            let (region, account_id) = place;
            assert_eq!(parse(text), Named { name, qualifier, region, account_id }, "{text}");
        }
    }
}
