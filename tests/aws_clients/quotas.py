"""Quotas: AWS's by default, and those of the settings where they are set."""

from support import Case, main


class Quotas(Case):
    def test_routes(self):
        api = self.v2.create_api(Name="n", ProtocolType="HTTP")["ApiId"]
        for number in range(2):
            self.v2.create_route(ApiId=api, RouteKey=f"GET /{number}")
        with self.refused("LimitExceededException", status=429):
            self.v2.create_route(ApiId=api, RouteKey="GET /more")

    def test_resources(self):
        api, root = self.rest_api()
        for number in range(2):
            self.v1.create_resource(restApiId=api, parentId=root, pathPart=f"r{number}")
        with self.refused("LimitExceededException", status=429):
            self.v1.create_resource(restApiId=api, parentId=root, pathPart="more")


if __name__ == "__main__":
    main()
