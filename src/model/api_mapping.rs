//! A mapping of a domain: a base path of the first generation, an API mapping key of the second.

use serde_json::Value;

use super::Document;

/// Which stage answers below a base path of a domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiMapping {
    /// Its id.
    pub id: String,
    /// Segments joined by `/`, without one at either end; empty for `(none)`.
    pub base_path: String,
    /// The API, of either generation.
    pub api_id: String,
    /// The stage; `None` where requests name it in the segment after the base path.
    pub stage_name: Option<String>,
}

impl ApiMapping {
    /// Reads the document; `None` for one without an API.
    #[must_use]
    pub fn read(document: &Document) -> Option<Self> {
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let base_path = text("basePath").filter(|path| *path != NO_BASE_PATH);
        Some(Self {
            id: text("apiMappingId").unwrap_or_default().to_owned(),
            base_path: base_path.unwrap_or_default().trim_matches('/').to_owned(),
            api_id: text("restApiId").filter(|id| !id.is_empty())?.to_owned(),
            stage_name: text("stage").filter(|stage| !stage.is_empty()).map(str::to_owned),
        })
    }
}

/// How the first generation spells a mapping for every path.
const NO_BASE_PATH: &str = "(none)";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: &Value) -> Option<ApiMapping> {
        ApiMapping::read(document.as_object().expect("an object"))
    }

    #[test]
    fn a_document_is_read() {
        let document = json!({
            "apiMappingId": "m", "basePath": "orders/v1", "restApiId": "a", "stage": "prod",
        });
        let expected = ApiMapping {
            id: "m".into(),
            base_path: "orders/v1".into(),
            api_id: "a".into(),
            stage_name: Some("prod".into()),
        };
        assert_eq!(read(&document), Some(expected));
    }

    #[test]
    fn a_mapping_may_have_neither_path_nor_stage() {
        let mapping = read(&json!({"basePath": "(none)", "restApiId": "a"})).expect("an API");
        assert_eq!((mapping.base_path.as_str(), mapping.stage_name), ("", None));
        let mapping = read(&json!({"restApiId": "a", "stage": ""})).expect("an API");
        assert_eq!((mapping.base_path.as_str(), mapping.stage_name), ("", None));
        assert_eq!(read(&json!({"basePath": "a"})), None);
    }
}
