import type { Asker, Question } from '../../../src/ssh/connection';
import type { NodeModel } from '../../../src/cluster/model';

/** Nobody is there. */
export const nobody: Asker = { ask: () => Promise.resolve(undefined) };

/** Answers in order and keeps the questions. */
export class Script implements Asker {
  readonly asked: Question[] = [];
  private readonly answers: (string | undefined)[];
  constructor(...answers: (string | undefined)[]) {
    this.answers = answers;
  }
  ask(question: Question): Promise<string | undefined> {
    this.asked.push(question);
    return Promise.resolve(this.answers.shift());
  }
}

export function nodeModel(changes: Partial<NodeModel> = {}): NodeModel {
  return {
    name: 'node1',
    connection: 'ssh',
    host: '127.0.0.1',
    port: undefined,
    user: undefined,
    identityFile: undefined,
    become: 'none',
    jump: undefined,
    roles: [],
    address: '127.0.0.1',
    stateDir: undefined,
    ...changes,
  };
}
