"""Who may call: what a known credential signed, in every form that the clients write."""

import urllib.error
import urllib.request

from support import ENDPOINT, Case, client, main


class Signatures(Case):
    def test_a_known_credential_passes(self):
        api, _ = self.rest_api()
        self.assertEqual(self.v1.get_rest_api(restApiId=api)["id"], api)
        arn = f"arn:aws:apigateway:us-east-1::/restapis/{api}"
        self.v1.tag_resource(resourceArn=arn, tags={"a b/ü": "ö"})
        self.assertEqual(self.v1.get_tags(resourceArn=arn)["tags"], {"a b/ü": "ö"})
        self.v1.untag_resource(resourceArn=arn, tagKeys=["a b/ü", "x+y"])
        self.v1.get_api_keys(nameQuery="a+b c/ü=&", limit=5)
        self.v2.create_api(Name="h", ProtocolType="HTTP", Target="https://a.example/")

    def test_anyone_else_does_not(self):
        with self.refused("InvalidSignatureException", status=403):
            client("apigateway", secret="another" * 6).get_rest_apis()
        with self.refused(
            "UnrecognizedClientException", "The security token included in the request is invalid.", 403
        ):
            client("apigateway", key="AKIDOTHER").get_rest_apis()
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{ENDPOINT}/restapis", timeout=10)
        self.assertEqual(caught.exception.code, 403)
        self.assertEqual(caught.exception.headers["x-amzn-ErrorType"], "MissingAuthenticationTokenException")

    def test_the_region_is_the_one_that_was_signed_for(self):
        west = client("apigatewayv2", region="eu-west-1")
        made = west.create_api(Name="w", ProtocolType="HTTP")
        self.assertIn(".eu-west-1.", made["ApiEndpoint"])
        self.assertNotIn(made["ApiId"], [one["ApiId"] for one in self.v2.get_apis()["Items"]])


if __name__ == "__main__":
    main()
