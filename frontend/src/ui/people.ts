// People in answers may come as {id, name} or as a bare id: one way to a name.
import type { Person } from "../api.ts";
import { me } from "./session.ts";
import { words } from "./words.ts";

export function nameOf(person: Person | string | null | undefined): string {
  if (typeof person === "object" && person?.name) return person.name;
  const id = typeof person === "object" ? person?.id : person;
  return id && id === me.value?.id ? me.value.name : words.history.somebody;
}

export const idOf = (person: Person | string): string => (typeof person === "string" ? person : person.id);

/** "Ann", "Ann and Bob", "Ann, Bob and 2 more". */
export function namesOf(people: (Person | string)[]): string {
  const names = [...new Set(people.map(nameOf))];
  if (names.length <= 2) return names.join(" and ");
  return `${names.slice(0, 2).join(", ")} and ${names.length - 2} more`;
}
