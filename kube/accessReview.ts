import {
  AuthorizationV1Api,
  V1ResourceAttributes,
  V1SelfSubjectAccessReview,
  V1SelfSubjectAccessReviewSpec,
  type KubeConfig,
} from "./clusterClient";
import {
  bindingPermissions,
  clusterPermissions,
  namespacePermissions,
  namespaceRole,
  type Permission,
} from "./permissions";
import { limitedClient } from "./timeLimit";

/** One question to the API server: may I do this, there? */
interface Question {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly name?: string;
  readonly namespace?: string;
}

/**
 * Asks the API server for each permission the program needs; returns those it lacks, one resource a
 * line. What is needed inside a namespace may be held there already, or be granted by binding the
 * namespace role: either is enough.
 */
export async function findMissingPermissions(
  kubeConfig: KubeConfig,
  namespace: string,
): Promise<string[]> {
  const ask = async (questions: readonly Question[]) => {
    const answers = await Promise.all(questions.map((question) => isAllowed(kubeConfig, question)));
    return questions.filter((_, index) => answers[index] !== true);
  };
  const [cluster, binding, inside] = await Promise.all([
    ask(questionsOf(clusterPermissions)),
    ask([
      ...questionsOf(bindingPermissions, namespace),
      {
        verb: "bind",
        group: "rbac.authorization.k8s.io",
        resource: "clusterroles",
        name: namespaceRole,
      },
    ]),
    ask(questionsOf(namespacePermissions, namespace)),
  ]);
  const canGrant = binding.length === 0;
  const missing = inside.length > 0 && !canGrant ? [...inside, ...binding] : [];
  return describe([...cluster, ...missing]);
}

function questionsOf(permissions: readonly Permission[], namespace?: string): Question[] {
  return permissions.flatMap(({ group, resource, verbs }) =>
    verbs.map((verb) => ({
      verb,
      group,
      resource,
      ...(namespace === undefined ? {} : { namespace }),
    })),
  );
}

async function isAllowed(kubeConfig: KubeConfig, question: Question): Promise<boolean> {
  const [resource, subresource] = question.resource.split("/");
  const body = new V1SelfSubjectAccessReview();
  body.spec = new V1SelfSubjectAccessReviewSpec();
  body.spec.resourceAttributes = Object.assign(new V1ResourceAttributes(), {
    ...question,
    resource,
    subresource,
  });
  const review = await limitedClient(kubeConfig, AuthorizationV1Api).createSelfSubjectAccessReview({
    body,
  });
  return review.status?.allowed === true;
}

/** `permission missing: create, delete secrets in namespace x`: one line a resource. */
function describe(questions: readonly Question[]): string[] {
  const verbs = new Map<string, string[]>();
  for (const { verb, group, resource, name, namespace } of questions) {
    const what = `${resource}${group === "" ? "" : `.${group}`}${name === undefined ? "" : ` "${name}"`}`;
    const where = namespace === undefined ? "" : ` in namespace ${namespace}`;
    verbs.set(`${what}${where}`, [...(verbs.get(`${what}${where}`) ?? []), verb]);
  }
  return [...verbs].map(([thing, list]) => `permission missing: ${list.join(", ")} ${thing}`);
}
